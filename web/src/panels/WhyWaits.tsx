// What Why knows of a task's waits beyond its own time: whose requests were at the disk, which
// layers and tasks the way led through, and what the recording lacks to say more.

import type { WhyAnswer } from '../api';
import { amount, duration, entries, type Entry, jump, momentOf, percent, text, who } from './data';
import { bytesText } from './DiskCard';
import { Command, Meter, Ranked, SaveCsv, TableHead } from './parts';

function Longest({ one }: { one: Entry }) {
  if (momentOf(one['longest_ts']) === null) return <>{duration(one['longest_ns'])}</>;
  return (
    <button class="p-link" onClick={() => jump(one['longest_ts'], one['longest_ns'])}>
      {duration(one['longest_ns'])}
    </button>
  );
}

/** Requests of others that were ahead of the task's own, or beside them. */
export function DiskCulprits({ answer }: { answer: WhyAnswer }) {
  const section = answer.sections['disk_culprit'];
  const list = entries(section);
  if (!section || list.length === 0) return null;
  const most = Math.max(1, ...list.map((one) => amount(one['total_ns'])));
  const disks = entries(answer.sections['disk']);
  return (
    <section aria-label="At the disk">
      <header class="p-head">
        <h3>Whose requests were at the disk meanwhile</h3>
        <SaveCsv name="disk-culprits" {...section} />
      </header>
      {disks.map((one, i) => (
        <p key={i} class="muted">
          {diskText(one)}
        </p>
      ))}
      <table class="p-table">
        <TableHead
          names={['who', 'disk', '#time', 'share', '#ahead', '#beside', '#requests', 'longest']}
        />
        <tbody>
          {list.slice(0, 20).map((one, i) => (
            <tr key={i}>
              <td>
                <b>{who(one)}</b>
                {amount(one['inferred']) === 1 && <span class="muted"> as far as is known</span>}
              </td>
              <td>
                {text(one['disk_machine'])} {text(one['device'])}
              </td>
              <td class="p-num">{duration(one['total_ns'])}</td>
              <td>
                <Meter
                  share={amount(one['total_ns']) / most}
                  tone="stolen"
                  label={duration(one['total_ns'])}
                />
              </td>
              <td class="p-num">{duration(one['ahead_ns'])}</td>
              <td class="p-num">{duration(one['beside_ns'])}</td>
              <td class="p-num">
                {amount(one['requests']).toLocaleString('en')}, {bytesText(amount(one['bytes']))}
              </td>
              <td>
                <Longest one={one} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** How long its own requests took beside those of others, and alone. */
export function diskText(one: Entry): string {
  const part = (count: string, total: string, how: string): string[] =>
    amount(one[count]) === 0
      ? []
      : [
          `${text(one[count])} of its requests were ${how}: ${duration(meanOf(one, total, count))} each`,
        ];
  const parts = [
    ...part('shared', 'shared_took_ns', 'beside those of others'),
    ...part('alone', 'alone_took_ns', 'alone'),
  ];
  return `${text(one['machine'])} ${text(one['device'])}: ${parts.join('; ')}.`;
}

function meanOf(one: Entry, total: string, count: string): number {
  return amount(one[total]) / Math.max(1, amount(one[count]));
}

const shares: ReadonlyArray<readonly [section: string, title: string, column: string]> = [
  ['path_layer', 'Through which layers', 'layer'],
  ['path_machine', 'On which machines', 'machine'],
  ['path_label', 'In what', 'label'],
];

/** Where the time of the critical path went, added up. */
export function PathShares({ answer }: { answer: WhyAnswer }) {
  const line = (one: Entry, label: string) => ({
    label,
    share: amount(one['share']),
    value: `${duration(one['total_ns'])}, ${percent(amount(one['share']))}`,
    tone: 'waiting',
  });
  const workers = entries(answer.sections['path_worker']).slice(0, 6);
  if (answer.path.length === 0) return null;
  return (
    <div class="p-columns" role="group" aria-label="Where the critical path went">
      <Ranked title="Through which tasks" rows={workers.map((one) => line(one, who(one)))} />
      {shares.map(([section, title, column]) => (
        <Ranked
          key={section}
          title={title}
          rows={entries(answer.sections[section])
            .slice(0, 6)
            .map((one) => line(one, text(one[column]) || 'not known'))}
        />
      ))}
    </div>
  );
}

/** What was not recorded, and what is to be kept in mind. */
export function Doubts({ answer }: { answer: WhyAnswer }) {
  const missing = entries(answer.sections['missing']);
  const notes = entries(answer.sections['note']);
  if (missing.length + notes.length === 0) return null;
  return (
    <section aria-label="What is not known">
      <h3>What is not known</h3>
      <ul class="p-plain">
        {notes.map((one, i) => (
          <li key={`n${i}`}>{text(one['message'])}</li>
        ))}
        {missing.map((one, i) => (
          <li key={`m${i}`}>
            {text(one['cause'])}, {duration(one['affected_ns'])}:{' '}
            <span class="muted">
              {text(one['machine'])} needs {text(one['events'])}
            </span>
            {one['command'] && <Command>{text(one['command'])}</Command>}
          </li>
        ))}
      </ul>
    </section>
  );
}
