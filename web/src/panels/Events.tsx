// The recorded events around the cursor: only the rows in sight are in the document; more are
// fetched at both ends.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { guarded } from '../jump';
import { actions, store, useStore } from '../store';
import { formatRel, toRel } from '../time';
import { download, errorText, toCsv } from './data';
import {
  collect,
  type Column,
  type Filter,
  inside,
  loadAround,
  type Loaded,
  loadMore,
  matcherOf,
  nextMatch,
  nothing,
  rowAt,
} from './eventPages';
import { Field, MachineField, Problem } from './parts';

const rowPx = 22;

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

interface RowsProps {
  loaded: Loaded;
  current: number;
  /** Changes when another event is to be brought into sight. */
  moment: string;
  choose: (index: number) => void;
  extend: (direction: 1 | -1) => void;
}

function Rows({ loaded, current, moment, choose, extend }: RowsProps) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const height = box.current?.clientHeight ?? 300;
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || loaded.shift === 0) return;
    element.scrollTop += loaded.shift * rowPx;
    setTop(element.scrollTop);
  }, [loaded]);
  useEffect(() => {
    const element = box.current;
    if (!element || current < 0) return;
    const y = current * rowPx;
    if (y < element.scrollTop || y + rowPx > element.scrollTop + element.clientHeight)
      element.scrollTop = Math.max(0, y - element.clientHeight / 3);
    setTop(element.scrollTop);
  }, [moment]);
  const [first, last] = visibleRows(top, height, loaded.rows.length);
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(Math.max(0, Math.min(loaded.rows.length - 1, current + step)));
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

interface FormProps {
  filter: Filter;
  change: (filter: Filter) => void;
  step: (direction: 1 | -1) => void;
  save: () => void;
  saved: string;
}

function FilterForm({ filter, change, step, save, saved }: FormProps) {
  return (
    <form
      class="p-form"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        step(1);
      }}
    >
      <Field
        label="Names"
        value={filter.names}
        placeholder="sched_switch, kvm_exit"
        change={(names) => change({ ...filter, names })}
      />
      <Field
        label="Contains"
        value={filter.contains}
        change={(contains) => change({ ...filter, contains })}
      />
      <MachineField
        value={filter.machine}
        all="all"
        change={(machine) => change({ ...filter, machine })}
      />
      <button type="button" onClick={() => step(-1)}>
        ↑ Previous
      </button>
      <button type="submit">↓ Next</button>
      <button type="button" title={`Events of ${saved} that match`} onClick={save}>
        Save CSV
      </button>
    </form>
  );
}

async function stepMatch(filter: Filter, direction: 1 | -1): Promise<void> {
  const from = (store.get().time ?? store.get().window.from) + direction;
  try {
    const { row, gaveUp } = await nextMatch(filter, from, direction);
    if (!row) {
      const where = direction === 1 ? 'after' : 'before';
      const far = gaveUp ? ', as far as was looked: narrow it by names or a machine' : '';
      return actions.notify(`No match ${where} the cursor${far}.`);
    }
    const time = toRel(row.ts_ns);
    actions.select({ time });
    actions.reveal(time);
  } catch (error) {
    actions.notify(errorText(error), 'error');
  }
}

/** What the page had last, so that changing tabs loses nothing. */
let lastFilter: Filter = { names: '', contains: '', machine: '', patterns: {} };

const mostSaved = 10_000;

async function save(filter: Filter): Promise<void> {
  await guarded(async () => {
    const { range, window } = store.get();
    const { rows, more } = await collect(filter, range ?? window, mostSaved);
    const columns = ['ts_ns', 'trace', 'machine', 'cpu', 'tid', 'name', 'fields'] as const;
    const cells = rows.map((row) => columns.map((name) => row[name]));
    download('virtscope-events.csv', 'text/csv', toCsv([...columns], cells));
    const count = rows.length.toLocaleString('en');
    actions.notify(more ? `The first ${count} events are saved.` : `${count} events are saved.`);
  });
}

function usePages(filter: Filter, now: number) {
  const [loaded, setLoaded] = useState<Loaded>(nothing);
  const [problem, setProblem] = useState('');
  const loadedFor = useRef<Filter | null>(null);
  const generation = useRef(0);
  const busy = useRef(false);
  const there = loadedFor.current === filter && inside(loaded, now);
  useEffect(() => {
    if (there) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      loadAround(filter, now, stop.signal).then(
        (answer) => {
          loadedFor.current = filter;
          ++generation.current;
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
  }, [filter, now, there]);
  const extend = (direction: 1 | -1): void => {
    if (busy.current) return;
    busy.current = true;
    const before = generation.current;
    loadMore(loaded, filter, direction)
      .then(
        (answer) => before === generation.current && setLoaded(answer),
        (error: unknown) => setProblem(errorText(error)),
      )
      .finally(() => (busy.current = false));
  };
  return { loaded, problem, extend, generation: generation.current };
}

const heads: ReadonlyArray<readonly [Column, string]> = [
  ['machine', 'machine'],
  ['cpu', 'CPU'],
  ['tid', 'tid'],
  ['name', 'event'],
  ['fields', 'fields'],
];

/** What the columns hold, and a regular expression for each of them. */
function Heads({ filter, change }: Pick<FormProps, 'filter' | 'change'>) {
  return (
    <>
      <div class="p-event p-event-head" aria-hidden="true">
        <span class="p-num">time (s)</span>
        {heads.map(([column, name]) => (
          <span key={column} class={column === 'cpu' || column === 'tid' ? 'p-num' : ''}>
            {name}
          </span>
        ))}
      </div>
      <div class="p-event p-event-patterns" role="search" aria-label="Columns">
        <span class="p-num muted">matches</span>
        {heads.map(([column, name]) => (
          <input
            key={column}
            value={filter.patterns?.[column] ?? ''}
            spellcheck={false}
            placeholder=".*"
            aria-label={`${name} matches`}
            title={`Regular expression for ${name}`}
            onInput={(event) =>
              change({
                ...filter,
                patterns: { ...filter.patterns, [column]: event.currentTarget.value },
              })
            }
          />
        ))}
      </div>
    </>
  );
}

/** What is wrong with the regular expressions; empty: nothing. */
function wrongPattern(filter: Filter): string {
  try {
    matcherOf(filter);
    return '';
  } catch (error) {
    return errorText(error);
  }
}

export function EventsPanel() {
  const time = useStore((state) => state.time);
  const range = useStore((state) => state.range);
  const [typed, setTyped] = useState<Filter>(lastFilter);
  const wrong = wrongPattern(typed);
  // What was typed last and can be understood.
  const good = useRef(typed);
  if (!wrong) good.current = typed;
  const filter = good.current;
  // Events of the same time: which of them, counted from the last one.
  const [pick, setPick] = useState({ time: -1, back: 0 });
  lastFilter = filter;
  const now = time ?? store.get().window.from;
  const { loaded, problem, extend, generation } = usePages(filter, now);
  const back = pick.time === now ? pick.back : 0;
  const choose = (index: number): void => {
    const row = loaded.rows[index];
    if (!row) return;
    const at = toRel(row.ts_ns);
    setPick({ time: at, back: rowAt(loaded.rows, at) - index });
    actions.select({ time: at });
    actions.reveal(at);
  };
  return (
    <div class="panel p-fill" data-panel="events">
      <FilterForm
        filter={typed}
        change={setTyped}
        step={(direction) => void stepMatch(filter, direction)}
        save={() => void save(filter)}
        saved={range ? 'the selected span' : 'what is shown'}
      />
      {(wrong || problem) && <Problem>{wrong || problem}</Problem>}
      <Heads filter={typed} change={setTyped} />
      {loaded.rows.length === 0 && !problem ? (
        <p class="muted" role="status">
          No event matches here{loaded.before || loaded.after ? '; ↓ Next looks further' : ''}.
        </p>
      ) : (
        <Rows
          loaded={loaded}
          current={rowAt(loaded.rows, now) - back}
          moment={`${generation}/${now}/${back}`}
          choose={choose}
          extend={extend}
        />
      )}
    </div>
  );
}
