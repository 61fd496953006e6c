// Every attribute of the selected interval, who is behind it, and the statement that gave it.

import { useEffect, useState } from 'preact/hooks';
import { api, type AtAnswer, type Row } from '../api';
import { followCulprit } from '../jump';
import { actions, store, useStore } from '../store';
import { formatAbs, formatDuration, formatRel, toAbs, toRel } from '../time';
import { send } from './bus';
import { errorText, text } from './data';
import { ShortLegend } from './Help';
import { Problem } from './parts';

type Answer =
  | { kind: 'loading' }
  | { kind: 'none' }
  | { kind: 'error'; text: string }
  | { kind: 'at'; at: AtAnswer };

/** Of the window: about as far as a click may miss what is a pixel wide. */
const nearShare = 0.002;

function useAt(): Answer | null {
  const row = useStore((state) => state.row);
  const time = useStore((state) => state.time);
  const part = useStore((state) => state.experiment?.shown?.number);
  const [answer, setAnswer] = useState<Answer | null>(null);
  useEffect(() => {
    if (!row || time === null) {
      setAnswer(null);
      return undefined;
    }
    const stop = new AbortController();
    const { window } = store.get();
    const near = Math.ceil((window.to - window.from) * nearShare);
    const timer = setTimeout(() => {
      api.at(row.view, row.id, toAbs(time), near, stop.signal).then(
        (at) => setAnswer(at ? { kind: 'at', at } : { kind: 'none' }),
        (error: unknown) => {
          if (!stop.signal.aborted) setAnswer({ kind: 'error', text: errorText(error) });
        },
      );
    }, 60);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [row, time, part]);
  return answer;
}

/** Asks Why about the selected row and span. */
export function whySelected(): void {
  const { row, rows } = store.get();
  const found = row ? rows[row.view]?.find((one) => one.id === row.id) : undefined;
  if (!found || found.tid === null) {
    actions.notify('Select a thread first: the question is why a task took its time.');
    return;
  }
  send('why', `${found.machine}/${found.tid}`);
  actions.openTab('why');
}

function Statement({ sql }: { sql: string }) {
  return (
    <>
      <h4>The statement that gives it</h4>
      <pre class="p-sql" tabIndex={0}>
        {sql}
      </pre>
      <button
        onClick={() => {
          send('sql', sql);
          actions.openTab('sql');
        }}
      >
        Open in SQL
      </button>
    </>
  );
}

function Interval({ at }: { at: AtAnswer }) {
  const from = toRel(at.begin_ns);
  const to = toRel(at.end_ns);
  const { culprit } = at;
  return (
    <>
      <h3 class="p-state">{at.state}</h3>
      <dl class="p-attributes">
        <dt>begins</dt>
        <dd title={formatAbs(from)}>{formatRel(from)} s</dd>
        <dt>{at.open ? 'known to' : 'ends'}</dt>
        <dd title={formatAbs(to)}>{formatRel(to)} s</dd>
        <dt>{at.open ? 'lasts so far' : 'lasts'}</dt>
        <dd>{formatDuration(to - from)}</dd>
        {at.attributes.map(([name, value]) => [
          <dt key={`n${name}`}>{name}</dt>,
          <dd key={`v${name}`}>
            {value === null ? <span class="muted">not known</span> : text(value)}
          </dd>,
        ])}
      </dl>
      {culprit && (
        <div class="p-card p-culprit">
          <h4>Who took the CPU</h4>
          <p>{culprit.label}</p>
          <button class="p-primary" onClick={() => void followCulprit()}>
            Follow the culprit
          </button>
        </div>
      )}
      {at.open ? (
        <p class="muted">It goes on; SQL has it when it has ended.</p>
      ) : (
        <Statement sql={at.sql} />
      )}
    </>
  );
}

/** Whose interval it is, as `why` and the tables name it. */
export function rowName(row: Row): string {
  if (row.tid !== null) return `${row.machine}/${row.tid} ${row.label}`;
  return row.kind === 'pcpu' ? row.label : `${row.machine} ${row.label}`;
}

function useSelectedRow(): Row | null {
  const ref = useStore((state) => state.row);
  const rows = useStore((state) => (ref ? state.rows[ref.view] : undefined));
  return rows?.find((row) => row.id === ref?.id) ?? null;
}

export function DetailsPanel() {
  const row = useSelectedRow();
  const answer = useAt();
  const range = useStore((state) => state.range);
  const measure = useStore((state) => state.measure);
  const [a, b] = measure;
  return (
    <div class="panel" data-panel="details" aria-live="polite">
      <h2>Details</h2>
      {row && <p class="p-who">{rowName(row)}</p>}
      {!answer && (
        <>
          <p class="muted">
            Click an interval on the timeline: here is everything that is known about it.
          </p>
          <ShortLegend />
        </>
      )}
      {answer?.kind === 'none' && (
        <p class="muted">
          Nothing is known about this row at this time: it had not begun, had ended, or was not
          recorded.
        </p>
      )}
      {answer?.kind === 'error' && <Problem>{answer.text}</Problem>}
      {answer?.kind === 'at' && <Interval at={answer.at} />}
      {(range || answer?.kind === 'at') && (
        <p>
          <button onClick={whySelected}>
            {range
              ? `Why, over the selected ${formatDuration(range.to - range.from)}`
              : 'Why did this task take its time'}
          </button>
        </p>
      )}
      {a !== null && b !== null && (
        <p>
          Between the marks: <b>{formatDuration(Math.abs(b - a))}</b>
        </p>
      )}
    </div>
  );
}
