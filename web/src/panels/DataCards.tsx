// How far the figures can be trusted: the clocks, what was lost, what is wrong with the files, and
// what was not recorded. Each line leads to the place it is about, or to its row where it has none.

import type { Report } from '../api';
import { lossText } from '../TopBar';
import { amount, duration, entries, type Entry, num, text } from './data';
import {
  type Evidence,
  issuePlace,
  openEvidence,
  openTable,
  worstClock,
  worstLoss,
} from './evidence';
import { Card, Command, Ranked } from './parts';

function Leads({ to, children }: { to: Evidence; children: string }) {
  return (
    <button class="p-link" title="Show where" onClick={() => void openEvidence(to)}>
      {children}
    </button>
  );
}

/** The segments of each machine in the order of the report; the one with the largest bound stands for it. */
export function worstSegments(clocks: Entry[]): Array<{ worst: Entry; segments: number }> {
  const out = new Map<string, { worst: Entry; segments: number }>();
  for (const one of clocks) {
    const machine = text(one['machine']);
    const known = out.get(machine);
    const larger = !known || amount(one['error_ns']) > amount(known.worst['error_ns']);
    out.set(machine, {
      worst: larger ? one : known.worst,
      segments: (known?.segments ?? 0) + 1,
    });
  }
  return [...out.values()];
}

export function ClockCard({ clocks }: { clocks: Entry[] }) {
  if (clocks.length === 0) return null;
  return (
    <Card title="Clocks">
      <ul class="p-plain">
        {worstSegments(clocks).map(({ worst: one, segments }) => {
          const outside = amount(one['outside_after']);
          const machine = text(one['machine']);
          return (
            <li key={machine}>
              <Leads to={worstClock(machine)}>{machine}</Leads> by {text(one['method'])},{' '}
              {text(one['quality'])}
              {one['method'] !== 'reference' && num(one['error_ns']) !== null && (
                <>
                  {' '}
                  · error up to <b>{duration(one['error_ns'])}</b>
                  {segments > 1 && `, the worst of ${segments} segments`}
                </>
              )}
              {outside > 0 && (
                <span class="p-bad">
                  {' '}
                  · {outside.toLocaleString('en')} events against causality remain
                </span>
              )}
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

/** What was lost, by CPU, longest first. */
function LossCard({ losses }: { losses: Entry[] }) {
  if (losses.length === 0) return null;
  const sorted = [...losses].sort((a, b) => amount(b['total_ns']) - amount(a['total_ns']));
  const most = Math.max(1, amount(sorted[0]?.['total_ns']));
  return (
    <Card title="Lost events">
      <p>
        <Leads to={worstLoss()}>Show the longest span of loss</Leads>
      </p>
      <Ranked
        title="Where"
        rows={sorted.slice(0, 8).map((one) => {
          const [machine, cpu] = [text(one['machine']), num(one['cpu'])];
          const windows = amount(one['windows']);
          return {
            label: `${machine}${cpu === null ? '' : ` CPU ${cpu}`}: ${lossText(
              one['lost_events'] === null ? null : text(one['lost_events']),
              windows,
            )}`,
            share: amount(one['total_ns']) / most,
            value: duration(one['total_ns']),
            tone: 'unknown',
            open: () => void openEvidence(worstLoss(machine, cpu)),
          };
        })}
      />
    </Card>
  );
}

const tones: Record<string, string> = { error: 'p-bad', warning: 'p-warn' };
const level: Record<string, number> = { error: 0, warning: 1, info: 2 };

const mostIssues = 12;
const allIssues = 'SELECT severity, code, place, count, message, advice FROM issue';

function IssueCard({ issues }: { issues: Entry[] }) {
  const sorted = [...issues].sort(
    (a, b) => (level[text(a['severity'])] ?? 3) - (level[text(b['severity'])] ?? 3),
  );
  return (
    <Card title="Data">
      {sorted.length === 0 ? (
        <p class="muted">Nothing is wrong with the recorded data.</p>
      ) : (
        <ul class="p-plain">
          {sorted.slice(0, mostIssues).map((one, i) => (
            <li key={i}>
              <b class={tones[text(one['severity'])] ?? 'muted'}>{text(one['severity'])}</b>{' '}
              <Leads to={issuePlace(one)}>{text(one['place']) || text(one['code'])}</Leads>:{' '}
              {text(one['message'])}
              <br />
              <span class="muted">{text(one['advice'])}</span>
            </li>
          ))}
        </ul>
      )}
      {sorted.length > mostIssues && (
        <button class="p-second" onClick={() => openTable(allIssues)}>
          {(sorted.length - mostIssues).toLocaleString('en')} more: show all
        </button>
      )}
    </Card>
  );
}

export function DataCards({ report }: { report: Report }) {
  const missing = entries(report.sections['missing']);
  return (
    <>
      <LossCard losses={entries(report.sections['loss'])} />
      <IssueCard issues={entries(report.sections['issue'])} />
      {missing.length > 0 && (
        <Card title="What the recording cannot tell">
          <ul class="p-plain">
            {missing.map((one, i) => (
              <li key={i}>
                {text(one['title'])}{' '}
                <span class="muted">
                  on {text(one['machine'])} needs {text(one['events'])}
                </span>
                <Command>{text(one['command'])}</Command>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}
