// The recorded events around the cursor: only the rows in sight are in the document; more are
// fetched at both ends.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api, type EventRow, type EventsQuery } from '../api';
import { actions, store, useStore } from '../store';
import { formatRel, toAbs, toRel } from '../time';
import { errorText, parseNames } from './data';
import { Problem } from './parts';

const rowPx = 22;
const chunk = 300;
const keep = 6000;

/** First and one past the last row to draw. */
export function visibleRows(
  scrollTop: number,
  height: number,
  count: number,
  extra = 8,
): [number, number] {
  const first = Math.max(0, Math.min(count, Math.floor(scrollTop / rowPx) - extra));
  return [first, Math.min(count, Math.ceil((scrollTop + height) / rowPx) + extra)];
}

/**
 * The last row that is not after a moment; -1 when all are after it. Rows are in the order of time.
 */
export function rowAt(rows: EventRow[], time: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (toRel((rows[middle] as EventRow).ts_ns) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** In the order of time, whichever way the server walked. */
export function ascending(rows: EventRow[]): EventRow[] {
  const first = rows[0];
  const last = rows[rows.length - 1];
  return first && last && toRel(first.ts_ns) > toRel(last.ts_ns) ? [...rows].reverse() : rows;
}

export interface Filter {
  names: string;
  contains: string;
  machine: string;
}

export function queryOf(
  filter: Filter,
  from: string,
  direction: 1 | -1,
  limit: number,
): EventsQuery {
  const names = parseNames(filter.names);
  return {
    from_ns: from,
    limit,
    direction,
    ...(names.length > 0 ? { names } : {}),
    ...(filter.contains.trim() ? { contains: filter.contains.trim() } : {}),
    ...(filter.machine ? { machine: filter.machine } : {}),
  };
}

interface Loaded {
  rows: EventRow[];
  before: boolean;
  after: boolean;
}
const nothing: Loaded = { rows: [], before: false, after: false };

async function loadAround(filter: Filter, time: number, signal: AbortSignal): Promise<Loaded> {
  const [back, forth] = await Promise.all([
    api.events(queryOf(filter, toAbs(time - 1), -1, chunk), signal),
    api.events(queryOf(filter, toAbs(time), 1, chunk), signal),
  ]);
  return {
    rows: [...ascending(back.rows), ...ascending(forth.rows)],
    before: back.more,
    after: forth.more,
  };
}

async function loadMore(loaded: Loaded, filter: Filter, direction: 1 | -1): Promise<Loaded> {
  const edge = direction === 1 ? loaded.rows[loaded.rows.length - 1] : loaded.rows[0];
  if (!edge) return loaded;
  const next = toAbs(toRel(edge.ts_ns) + direction);
  const answer = await api.events(queryOf(filter, next, direction, chunk));
  const fresh = ascending(answer.rows);
  if (direction === 1)
    return {
      rows: [...loaded.rows, ...fresh].slice(-keep),
      before: loaded.before || loaded.rows.length + fresh.length > keep,
      after: answer.more,
    };
  return {
    rows: [...fresh, ...loaded.rows].slice(0, keep),
    before: answer.more,
    after: loaded.after || loaded.rows.length + fresh.length > keep,
  };
}

function Rows({
  loaded,
  current,
  extend,
}: {
  loaded: Loaded;
  current: number;
  extend: (direction: 1 | -1) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const height = box.current?.clientHeight ?? 300;
  useEffect(() => {
    const element = box.current;
    if (!element || current < 0) return;
    const y = current * rowPx;
    if (y < element.scrollTop || y + rowPx > element.scrollTop + element.clientHeight)
      element.scrollTop = Math.max(0, y - element.clientHeight / 3);
    setTop(element.scrollTop);
  }, [current, loaded]);
  const [first, last] = visibleRows(top, height, loaded.rows.length);
  const choose = (index: number): void => {
    const row = loaded.rows[Math.max(0, Math.min(loaded.rows.length - 1, index))];
    if (!row) return;
    const time = toRel(row.ts_ns);
    actions.select({ time });
    actions.reveal(time);
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(step > 0 ? current + step : Math.max(0, current + step));
  };
  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    setTop(element.scrollTop);
    if (element.scrollTop < rowPx * 4 && loaded.before) extend(-1);
    if (
      element.scrollTop + element.clientHeight > loaded.rows.length * rowPx - rowPx * 4 &&
      loaded.after
    )
      extend(1);
  };
  return (
    <div
      class="p-events"
      ref={box}
      tabIndex={0}
      role="grid"
      aria-label="Events"
      aria-rowcount={loaded.rows.length}
      onKeyDown={onKey}
      onScroll={onScroll}
    >
      <div
        role="presentation"
        style={{ height: `${loaded.rows.length * rowPx}px`, position: 'relative' }}
      >
        {loaded.rows.slice(first, last).map((row, i) => (
          <div
            key={first + i}
            role="row"
            aria-rowindex={first + i + 1}
            aria-selected={first + i === current}
            class="p-event"
            style={{ top: `${(first + i) * rowPx}px` }}
            onClick={() => choose(first + i)}
          >
            <span role="gridcell" class="p-num">
              {formatRel(toRel(row.ts_ns))}
            </span>
            <span role="gridcell">{row.machine}</span>
            <span role="gridcell" class="p-num">
              {row.cpu ?? ''}
            </span>
            <span role="gridcell" class="p-num">
              {row.tid ?? ''}
            </span>
            <span role="gridcell">
              <b>{row.name}</b>
            </span>
            <span role="gridcell" class="p-fields" title={row.fields}>
              {row.fields}
            </span>
          </div>
        ))}
      </div>
    </div>
  );
}

function FilterForm({
  filter,
  change,
  step,
}: {
  filter: Filter;
  change: (filter: Filter) => void;
  step: (direction: 1 | -1) => void;
}) {
  const machines = useStore((state) => state.experiment)?.machines ?? [];
  return (
    <form
      class="p-form"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        step(1);
      }}
    >
      <label>
        Names{' '}
        <input
          value={filter.names}
          placeholder="sched_switch, kvm_exit"
          onInput={(event) => change({ ...filter, names: event.currentTarget.value })}
        />
      </label>
      <label>
        Contains{' '}
        <input
          value={filter.contains}
          onInput={(event) => change({ ...filter, contains: event.currentTarget.value })}
        />
      </label>
      <label>
        Machine{' '}
        <select
          value={filter.machine}
          onChange={(event) => change({ ...filter, machine: event.currentTarget.value })}
        >
          <option value="">all</option>
          {machines.map((one) => (
            <option key={one.machine} value={one.machine}>
              {one.machine}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => step(-1)}>
        ↑ Previous
      </button>
      <button type="submit">↓ Next</button>
    </form>
  );
}

async function stepMatch(filter: Filter, direction: 1 | -1): Promise<void> {
  const from = (store.get().time ?? store.get().window.from) + direction;
  try {
    const row = (await api.events(queryOf(filter, toAbs(from), direction, 1))).rows[0];
    if (!row) {
      actions.notify(
        direction === 1 ? 'No match after the cursor.' : 'No match before the cursor.',
      );
      return;
    }
    const time = toRel(row.ts_ns);
    actions.select({ time });
    actions.reveal(time);
  } catch (error) {
    actions.notify(errorText(error), 'error');
  }
}

export function EventsPanel() {
  const time = useStore((state) => state.time);
  const [filter, setFilter] = useState<Filter>({ names: '', contains: '', machine: '' });
  const [loaded, setLoaded] = useState<Loaded>(nothing);
  const [problem, setProblem] = useState('');
  const loadedFor = useRef<Filter | null>(null);
  const busy = useRef(false);
  const now = time ?? store.get().window.from;
  const key = loadedFor.current === filter && loaded.rows.length > 0 && inside(loaded, now);
  useEffect(() => {
    if (key) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      loadAround(filter, now, stop.signal).then(
        (answer) => {
          loadedFor.current = filter;
          setProblem('');
          setLoaded(answer);
        },
        (error: unknown) => {
          if (!stop.signal.aborted) setProblem(errorText(error));
        },
      );
    }, 150);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [filter, now, key]);
  const extend = (direction: 1 | -1): void => {
    if (busy.current) return;
    busy.current = true;
    loadMore(loaded, filter, direction)
      .then(setLoaded, (error: unknown) => setProblem(errorText(error)))
      .finally(() => {
        busy.current = false;
      });
  };
  return (
    <div class="panel p-fill" data-panel="events">
      <FilterForm
        filter={filter}
        change={setFilter}
        step={(direction) => void stepMatch(filter, direction)}
      />
      {problem && <Problem>{problem}</Problem>}
      <div class="p-event p-event-head" aria-hidden="true">
        <span class="p-num">time (s)</span>
        <span>machine</span>
        <span class="p-num">CPU</span>
        <span class="p-num">tid</span>
        <span>event</span>
        <span>fields</span>
      </div>
      {loaded.rows.length === 0 && !problem ? (
        <p class="muted" role="status">
          No event matches here.
        </p>
      ) : (
        <Rows loaded={loaded} current={rowAt(loaded.rows, now)} extend={extend} />
      )}
    </div>
  );
}

function inside(loaded: Loaded, time: number): boolean {
  const first = loaded.rows[0];
  const last = loaded.rows[loaded.rows.length - 1];
  if (!first || !last) return false;
  return (
    (time >= toRel(first.ts_ns) || !loaded.before) && (time <= toRel(last.ts_ns) || !loaded.after)
  );
}
