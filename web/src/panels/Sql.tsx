// The SQL console: a statement over the tables of the model, and its answer with moments and tasks
// that jump.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api, ApiError, type SqlAnswer } from '../api';
import { listen, take } from './bus';
import { download, errorText, positionOf, toCsv, toJson } from './data';
import { Problem, ResultTable } from './parts';

export const examples: ReadonlyArray<readonly [string, string]> = [
  [
    'Who robbed whom',
    `SELECT machine, by_machine, by_tid, by_comm, COUNT(*) AS times, SUM(dur) AS stolen_ns
FROM preemption
GROUP BY machine, by_machine, by_tid, by_comm
ORDER BY stolen_ns DESC
LIMIT 20`,
  ],
  [
    'Longest robbed intervals',
    `SELECT ts, dur, machine, vcpu, tid, comm, by_machine, by_comm
FROM preemption
ORDER BY dur DESC
LIMIT 50`,
  ],
  [
    'Slowest exits',
    `SELECT ts, dur, machine, vcpu, reason, handling_ns, userspace_ns
FROM vm_exit
ORDER BY handling_ns + userspace_ns DESC
LIMIT 50`,
  ],
  [
    'Where the guest believes it runs and does not',
    `SELECT ts, dur, machine, tid, state, cpu
FROM thread_state
WHERE effective = 'deprived'
ORDER BY dur DESC
LIMIT 50`,
  ],
  [
    'Disk requests by latency',
    `SELECT ts, dur, vm, device, op, bytes, queue_ns, service_ns
FROM block_request
ORDER BY dur DESC
LIMIT 50`,
  ],
  ['What the data lacks', 'SELECT severity, place, count, message, advice\nFROM issue'],
];

const historyKey = 'virtscope.sql';

/** Past statements, newest first. Anything else in the browser's storage counts as none. */
export function readHistory(stored: string | null): string[] {
  try {
    const list: unknown = JSON.parse(stored ?? '[]');
    return Array.isArray(list)
      ? list.filter((item): item is string => typeof item === 'string').slice(0, 30)
      : [];
  } catch {
    return [];
  }
}

function remember(sql: string): string[] {
  try {
    const list = [
      sql,
      ...readHistory(localStorage.getItem(historyKey)).filter((item) => item !== sql),
    ].slice(0, 30);
    localStorage.setItem(historyKey, JSON.stringify(list));
    return list;
  } catch {
    return [sql]; // Storage is switched off: only this session's last one.
  }
}

function stored(): string[] {
  try {
    return readHistory(localStorage.getItem(historyKey));
  } catch {
    return [];
  }
}

let lastSql = examples[0]?.[1] ?? '';

function Answer({ answer }: { answer: SqlAnswer }) {
  const { columns, rows, truncated } = answer;
  return (
    <>
      <div class="p-form">
        <span role="status">
          {rows.length.toLocaleString('en')} rows{truncated ? ' (cut: more exist)' : ''} in{' '}
          {Math.round(answer.elapsed_ms)} ms
        </span>
        <button onClick={() => download('virtscope.csv', 'text/csv', toCsv(columns, rows))}>
          Save CSV
        </button>
        <button
          onClick={() => download('virtscope.json', 'application/json', toJson(columns, rows))}
        >
          Save JSON
        </button>
      </div>
      {answer.notes?.map((note) => (
        <p class="muted" key={note}>
          {note}
        </p>
      ))}
      <ResultTable columns={columns} rows={rows.slice(0, 1000)} label="Answer" />
      {rows.length > 1000 && (
        <p class="muted">The first 1,000 are shown; the saved files have all.</p>
      )}
    </>
  );
}

function useConsole() {
  const [sql, setSql] = useState(lastSql);
  const [answer, setAnswer] = useState<SqlAnswer | null>(null);
  const [problem, setProblem] = useState<{ text: string; index: number | null } | null>(null);
  const [history, setHistory] = useState<string[]>(stored);
  const [stop, setStop] = useState<AbortController | null>(null);
  const change = (value: string): void => {
    lastSql = value;
    setSql(value);
  };
  const fail = (asked: string, error: unknown): void => {
    const at =
      error instanceof ApiError && error.offset !== null ? positionOf(asked, error.offset) : null;
    setProblem({
      text: at ? `${errorText(error)} (line ${at.line}, column ${at.column})` : errorText(error),
      index: at?.index ?? null,
    });
  };
  const run = (asked: string): void => {
    if (!asked.trim() || stop) return;
    const control = new AbortController();
    setStop(control);
    setProblem(null);
    setHistory(remember(asked));
    api
      .sql(asked, 10000, control.signal)
      .then(setAnswer, (error: unknown) => {
        if (control.signal.aborted) setProblem({ text: 'Cancelled.', index: null });
        else fail(asked, error);
      })
      .finally(() => setStop(null));
  };
  return { sql, change, answer, problem, history, stop, run };
}

export function SqlPanel() {
  const { sql, change, answer, problem, history, stop, run } = useConsole();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const receive = (): void => {
      const given = take('sql');
      if (given !== null) change(given);
    };
    const answerAtOnce = (): void => {
      const given = take('run');
      if (given === null) return;
      change(given);
      run(given);
    };
    receive();
    answerAtOnce();
    const off = [listen('sql', receive), listen('run', answerAtOnce)];
    return () => off.forEach((end) => end());
  }, []);
  useEffect(() => {
    if (problem?.index === null || problem?.index === undefined) return;
    field.current?.focus();
    field.current?.setSelectionRange(problem.index, problem.index + 1);
  }, [problem]);
  const onKey = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run(sql);
    }
  };
  return (
    <div class="panel" data-panel="sql">
      <label class="p-hidden" for="p-sql">
        Statement
      </label>
      <textarea
        id="p-sql"
        ref={field}
        class="p-sql"
        rows={6}
        spellcheck={false}
        value={sql}
        onInput={(event) => change(event.currentTarget.value)}
        onKeyDown={onKey}
        aria-invalid={problem !== null}
      />
      <div class="p-form">
        {stop ? (
          <button onClick={() => stop.abort()}>Cancel</button>
        ) : (
          <button class="p-primary" onClick={() => run(sql)}>
            Run <kbd>Ctrl+Enter</kbd>
          </button>
        )}
        <select
          aria-label="Examples"
          value=""
          onChange={(event) => {
            change(event.currentTarget.value);
            event.currentTarget.value = '';
          }}
        >
          <option value="">Examples…</option>
          {examples.map(([name, statement]) => (
            <option key={name} value={statement}>
              {name}
            </option>
          ))}
        </select>
        <select
          aria-label="History"
          value=""
          disabled={history.length === 0}
          onChange={(event) => {
            change(event.currentTarget.value);
            event.currentTarget.value = '';
          }}
        >
          <option value="">History…</option>
          {history.map((item) => (
            <option key={item} value={item}>
              {item.replace(/\s+/g, ' ').slice(0, 90)}
            </option>
          ))}
        </select>
        {stop && (
          <span role="status" class="muted">
            Running…
          </span>
        )}
      </div>
      {problem && <Problem>{problem.text}</Problem>}
      {answer && <Answer answer={answer} />}
    </div>
  );
}
