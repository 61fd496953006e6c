// Why a task took its time: one sentence, where the time went, who decided, and the way there step
// by step.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api, type FlowStep, type WhyAnswer } from '../api';
import { store, useStore } from '../store';
import { formatDuration, toAbs, toRel } from '../time';
import { listen, take } from './bus';
import {
  amount,
  duration,
  entries,
  errorText,
  jump,
  momentOf,
  num,
  parseTask,
  percent,
  text,
  who,
} from './data';
import { DiskCulprits, Doubts, PathShares } from './WhyWaits';
import { Field, Meter, Problem, SaveCsv, StackedBar, TableHead, type Part } from './parts';

const tones: Record<string, string> = {
  run: 'guest',
  hypervisor: 'hyper',
  preempted_by: 'waiting',
  vcpu_preempted_by: 'stolen',
  runnable: 'waiting',
  blocked: 'blocked',
  lock_wait: 'waiting',
  unknown: 'unknown',
};
const words: Record<string, string> = {
  run: 'ran',
  hypervisor: 'in the hypervisor',
  preempted_by: 'preempted by',
  vcpu_preempted_by: 'vCPU preempted by',
  runnable: 'waited for a CPU',
  blocked: 'blocked',
  lock_wait: 'waited for a lock',
  unknown: 'unknown',
};

export function headlineOf(answer: WhyAnswer): string {
  return (
    answer.headline ||
    text(entries(answer.sections['task'])[0]?.['headline']) ||
    'Nothing stands out.'
  );
}

export function flowParts(answer: WhyAnswer): Part[] {
  return entries(answer.sections['kind']).map((one) => {
    const kind = text(one['kind']);
    return {
      name: words[kind] ?? kind,
      value: amount(one['total_ns']),
      tone: tones[kind] ?? 'unknown',
    };
  });
}

const kindOf = (step: FlowStep): string => words[step.kind] ?? step.kind;

function FlowLine({ answer }: { answer: WhyAnswer }) {
  const first = answer.flow[0];
  const last = answer.flow[answer.flow.length - 1];
  if (!first || !last) return null;
  const from = toRel(first.ts_ns);
  const length = Math.max(1, toRel(last.ts_ns) + amount(last.dur_ns) - from);
  // A pixel holds one interval at most: what is shorter than a thousandth of the line is in the
  // table, not here.
  const shown = answer.flow.filter((step) => amount(step.dur_ns) / length > 0.0005).slice(0, 2000);
  return (
    <div class="p-bar p-line" role="group" aria-label="The task's time from left to right">
      {shown.map((step) => (
        <button
          key={step.ts_ns}
          tabIndex={-1}
          class={`p-seg p-${tones[step.kind] ?? 'unknown'}`}
          title={`${kindOf(step)} ${step.comm} ${duration(step.dur_ns)} ${step.cause}`}
          aria-label={`${kindOf(step)} ${duration(step.dur_ns)}`}
          style={{
            left: `${((toRel(step.ts_ns) - from) / length) * 100}%`,
            width: `${(amount(step.dur_ns) / length) * 100}%`,
          }}
          onClick={() => jump(step.ts_ns, step.dur_ns)}
        />
      ))}
    </div>
  );
}

function Culprits({ answer }: { answer: WhyAnswer }) {
  const section = answer.sections['culprit'];
  const list = entries(section);
  if (list.length === 0) return null;
  return (
    <section aria-label="Who decided">
      <header class="p-head">
        <h3>Who decided</h3>
        {section && <SaveCsv name="culprits" {...section} />}
      </header>
      <table class="p-table">
        <TableHead names={['who', 'how', '#time', 'share', '#times', 'longest', 'cause']} />
        <tbody>
          {list.slice(0, 30).map((one, i) => (
            <tr key={i}>
              <td>
                <b>{who(one)}</b>
              </td>
              <td>{words[text(one['kind'])] ?? text(one['kind'])}</td>
              <td class="p-num">{duration(one['total_ns'])}</td>
              <td>
                <Meter
                  share={amount(one['share'])}
                  tone={tones[text(one['kind'])] ?? 'unknown'}
                  label={percent(amount(one['share']))}
                />{' '}
                {percent(amount(one['share']))}
              </td>
              <td class="p-num">{text(one['count'])}</td>
              <td>
                {momentOf(one['max_ts']) === null ? (
                  duration(one['max_ns'])
                ) : (
                  <button class="p-link" onClick={() => jump(one['max_ts'], one['max_ns'])}>
                    {duration(one['max_ns'])}
                  </button>
                )}
              </td>
              <td>{text(one['cause'])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Iterations({ answer }: { answer: WhyAnswer }) {
  const list = entries(answer.sections['iteration']);
  if (list.length === 0) return null;
  return (
    <section aria-label="Slowest iterations">
      <h3>Slowest iterations</h3>
      <ul class="p-plain">
        {list.map((one, i) => (
          <li key={i}>
            <button class="p-link" onClick={() => jump(one['ts'], one['dur_ns'])}>
              {text(one['role'])} {text(one['iteration'])}: {duration(one['dur_ns'])}
            </button>{' '}
            {text(one['message'])}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Intervals({ answer }: { answer: WhyAnswer }) {
  const list = entries(answer.sections['interval']);
  if (list.length === 0) return null;
  return (
    <section aria-label="Longest intervals">
      <h3>Longest intervals that kept it from running</h3>
      <ol class="p-plain">
        {list.slice(0, 50).map((one, i) => (
          <li key={i}>
            <button class="p-link" onClick={() => jump(one['ts'], one['dur'])}>
              {duration(one['dur'])} {words[text(one['kind'])] ?? text(one['kind'])} {who(one)}
            </button>
            {num(one['pcpu']) !== null && <span class="muted"> on pCPU {text(one['pcpu'])}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Path({ answer }: { answer: WhyAnswer }) {
  if (answer.path.length === 0) return null;
  return (
    <section aria-label="Critical path">
      <h3>
        Critical path{' '}
        <small class="muted">
          {answer.path.length === 1
            ? '1 piece'
            : `${answer.path.length.toLocaleString('en')} pieces`}
          {answer.path.length > 300 ? ', the first 300' : ''}
        </small>
      </h3>
      <ol class="p-path">
        {answer.path.slice(0, 300).map((step, i) => (
          <li key={i} style={{ paddingLeft: `${Math.min(12, step.depth) * 14}px` }}>
            <button class="p-link" onClick={() => jump(step.ts_ns, step.dur_ns)}>
              {duration(step.dur_ns)}
            </button>{' '}
            {step.label}{' '}
            <b>
              {step.machine} {step.comm}
              {step.tid === null ? '' : ` (${step.tid})`}
            </b>{' '}
            <span class="muted">
              {step.cpu === null ? '' : `CPU ${step.cpu} `}
              {step.cause}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

export function WhyResult({ answer }: { answer: WhyAnswer }) {
  return (
    <div class="p-why">
      <p class="p-headline">{headlineOf(answer)}</p>
      <StackedBar parts={flowParts(answer)} label="Where the time went" />
      <FlowLine answer={answer} />
      <Culprits answer={answer} />
      <DiskCulprits answer={answer} />
      <div class="p-columns">
        <Iterations answer={answer} />
        <Intervals answer={answer} />
      </div>
      <PathShares answer={answer} />
      <Path answer={answer} />
      <Doubts answer={answer} />
    </div>
  );
}

export function WhyPanel() {
  const range = useStore((state) => state.range);
  const task = useStore((state) => state.task);
  const [typed, setTyped] = useState(task ?? '');
  const [slowest, setSlowest] = useState(true);
  const [answer, setAnswer] = useState<WhyAnswer | null>(null);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const stop = useRef<AbortController | null>(null);
  const ask = (value: string): void => {
    const name = parseTask(value);
    if (!name) {
      setProblem('A task is MACHINE/TID or MACHINE/NAME, for example vm1/156.');
      return;
    }
    stop.current?.abort();
    const control = new AbortController();
    stop.current = control;
    const span = store.get().range;
    store.set({ task: name });
    setBusy(true);
    setProblem('');
    api
      .why(
        {
          task: name,
          ...(span
            ? { from_ns: toAbs(span.from), to_ns: toAbs(span.to) }
            : slowest
              ? { slowest: 5 }
              : {}),
        },
        control.signal,
      )
      .then(
        (got) => {
          setAnswer(got);
          setBusy(false);
        },
        (error: unknown) => {
          if (!control.signal.aborted) {
            setProblem(errorText(error));
            setBusy(false);
          }
        },
      );
  };
  useEffect(() => {
    const receive = (): void => {
      const given = take('why');
      if (given !== null) {
        setTyped(given);
        ask(given);
      }
    };
    receive();
    const off = listen('why', receive);
    return () => {
      off();
      stop.current?.abort();
    };
  }, []);
  return (
    <div class="panel" data-panel="why">
      <form
        class="p-form"
        onSubmit={(event) => {
          event.preventDefault();
          ask(typed);
        }}
      >
        <Field label="Why did" value={typed} placeholder="vm1/156" change={setTyped}>
          take its time
        </Field>
        {range ? (
          <span>over the selected {formatDuration(range.to - range.from)}</span>
        ) : (
          <label>
            <input
              type="checkbox"
              checked={slowest}
              onChange={(event) => setSlowest(event.currentTarget.checked)}
            />{' '}
            compare its slowest iterations with the typical one
          </label>
        )}
        <button type="submit" class="p-primary">
          Ask
        </button>
        {busy && (
          <span role="status" class="muted">
            Working…
          </span>
        )}
      </form>
      {problem && <Problem>{problem}</Problem>}
      {!answer && !problem && !busy && (
        <p class="muted">
          Type a task, or select a thread on the timeline and press the button in the details.
        </p>
      )}
      {answer && <WhyResult answer={answer} />}
    </div>
  );
}
