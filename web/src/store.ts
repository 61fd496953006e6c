// The one store. Plain data and pure updates; components subscribe with useStore(selector).
// Everything that a link must restore is in the URL fragment (url.ts). Times are relative
// nanoseconds (time.ts).

import { useEffect, useReducer, useRef } from 'preact/hooks';
import type { Bookmark, Experiment, Marks, Report, Row, ViewInfo } from './api';
import type { RanOnOf } from './filter/evaluate';
import { clampSpan, type Rel, type Span } from './time';

export interface RowRef {
  view: string;
  id: number;
  /** Which copy of the view; missing: the view itself. */
  copy?: number;
}
/** A view once more below itself, with a filter of its own. */
export interface ViewCopy {
  view: string;
  filter: string;
}
export const mostCopies = 8;
export type Theme = 'system' | 'dark' | 'light';
/**
 * Threads: those that ran longest first, by number, by name, in the order of their beginning, or so
 * that arrows are short.
 */
export const orders = ['ran', 'number', 'name', 'begin', 'linked'] as const;
export type Order = (typeof orders)[number];
export type BottomTab = 'overview' | 'events' | 'sql' | 'why' | 'compare' | 'bookmarks' | 'help';

/** What the server said. */
export interface Facts {
  experiment: Experiment | null;
  report: Report | null;
  views: ViewInfo[];
  /** Rows by view id, filled when the view is first shown. */
  rows: Record<string, Row[]>;
  /** Where rows ran in the window, while the filter asks for it. */
  ranOn: RanOnOf;
  marks: Marks;
  bookmarks: Bookmark[];
  /** The whole experiment. */
  limit: Span;
  fatal: { title: string; detail: string; login: boolean } | null;
  /** Whether the server did not answer the last call. */
  offline: boolean;
}

/** What the user did: the place that a link leads to, and how one came there. */
export interface Position {
  /** What is visible of the experiment. */
  window: Span;
  undo: Span[];
  redo: Span[];
  /** Selection, shared by all views and panels. `range` null: only a moment. */
  time: Rel | null;
  range: Span | null;
  row: RowRef | null;
  /**
   * The task whose critical path is shown, as `why` takes it ("vm1/156"); null: of the selected
   * row.
   */
  task: string | null;
  /** Two marks of the measure. */
  measure: [Rel | null, Rel | null];
  openViews: string[];
  copies: ViewCopy[];
  collapsed: Record<string, true>;
  pins: RowRef[];
  filter: string;
  /** Whether states that the filter leaves out are not drawn; else they are faded. */
  filterHides: boolean;
  /** Rows that are switched off, as `view:id`. */
  hidden: Record<string, true>;
  /** Whether threads that never ran are shown. */
  idle: boolean;
  /** Whether only rows are shown that do something in the window. */
  active: boolean;
  /** In which order threads stand; `linked` was last asked for that often. */
  order: Order;
  linkedAt: number;
  machine: string | null;
  arrows: boolean;
  grid: boolean;
  rowHeight: number;
  theme: Theme;
  /** Colours that somebody chose (#rrggbb), by state, or by machine behind an @. */
  colours: Record<string, string>;
  /** Marks that come again and again, from a moment on. */
  period: { every: number; from: Rel } | null;
  tab: BottomTab;
  bottomOpen: boolean;
  /** Height of the bottom panel in per cent of the page's. */
  bottomShare: number;
  notice: { kind: 'info' | 'error'; text: string } | null;
}

export type State = Facts & Position;

const everything: Span = { from: 0, to: 1 };

/** Where the page begins. */
export function firstPosition(): Position {
  return {
    window: everything,
    undo: [],
    redo: [],
    time: null,
    range: null,
    row: null,
    task: null,
    measure: [null, null],
    openViews: ['fused', 'vms'],
    copies: [],
    collapsed: {},
    pins: [],
    filter: '',
    filterHides: false,
    hidden: {},
    idle: false,
    active: false,
    order: 'ran',
    linkedAt: 0,
    machine: null,
    arrows: true,
    grid: true,
    rowHeight: 18,
    theme: 'system',
    colours: {},
    period: null,
    tab: 'overview',
    bottomOpen: true,
    bottomShare: 36,
    notice: null,
  };
}

function noFacts(): Facts {
  return {
    experiment: null,
    report: null,
    views: [],
    rows: {},
    ranOn: {},
    marks: { losses: [], clocks: [] },
    bookmarks: [],
    limit: everything,
    fatal: null,
    offline: false,
  };
}

type Listener = () => void;

export class Store {
  private current: State = { ...noFacts(), ...firstPosition() };
  private readonly listeners = new Set<Listener>();

  get(): State {
    return this.current;
  }

  set(change: Partial<State>): void {
    this.current = { ...this.current, ...change };
    for (const listener of [...this.listeners]) listener();
  }

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Back to where the page begins, with what the server said kept; `change` on top of it. */
  reset(change: Partial<State> = {}): void {
    const window = change.limit ?? this.current.limit;
    this.set({ ...firstPosition(), window, ...change });
  }
}

export const store = new Store();

/**
 * Draws again when the selected part changes (===). Select single fields, or objects that keep
 * their identity.
 */
export function useStore<T>(selector: (state: State) => T): T {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const value = selector(store.get());
  const seen = useRef(value);
  const select = useRef(selector);
  seen.current = value;
  select.current = selector;
  useEffect(() => {
    const check = (): void => {
      if (select.current(store.get()) !== seen.current) redraw(0);
    };
    check();
    return store.subscribe(check);
  }, []);
  return value;
}

const undoDepth = 100;

function sameSpan(a: Span, b: Span): boolean {
  return a.from === b.from && a.to === b.to;
}

function withView(view: string): Pick<State, 'openViews'> {
  const { openViews } = store.get();
  return { openViews: openViews.includes(view) ? openViews : [...openViews, view] };
}

/** What users and panels do. Each is one change of the store. */
export const actions = {
  /** Shows a span. `record`: the span before goes on the undo list (false while a gesture runs). */
  show(span: Span, record = true): void {
    const { limit, window, undo } = store.get();
    // Whole nanoseconds, as the link writes them; never an empty span.
    const whole = {
      from: Math.round(span.from),
      to: Math.max(Math.round(span.from) + 1, Math.round(span.to)),
    };
    const next = clampSpan(whole, limit);
    if (sameSpan(next, window)) return;
    store.set(
      record
        ? { window: next, undo: [...undo.slice(-undoDepth), window], redo: [] }
        : { window: next },
    );
  },
  /** Ends a gesture that began at `before`: one step of undo for all of it. */
  recordFrom(before: Span): void {
    const { window, undo } = store.get();
    if (!sameSpan(before, window))
      store.set({ undo: [...undo.slice(-undoDepth), before], redo: [] });
  },
  showAll(): void {
    actions.show(store.get().limit);
  },
  undo(): void {
    const { undo, redo, window } = store.get();
    const last = undo[undo.length - 1];
    if (last) store.set({ window: last, undo: undo.slice(0, -1), redo: [...redo, window] });
  },
  redo(): void {
    const { undo, redo, window } = store.get();
    const last = redo[redo.length - 1];
    if (last) store.set({ window: last, redo: redo.slice(0, -1), undo: [...undo, window] });
  },
  select(change: { time?: Rel | null; range?: Span | null; row?: RowRef | null }): void {
    store.set(change);
  },
  /** Selects a row, with what is folded above it unfolded and its view open. */
  choose(view: string, id: number, change: { time?: Rel | null; range?: Span | null } = {}): void {
    const { rows } = store.get();
    const collapsed = { ...store.get().collapsed };
    const above = new Map((rows[view] ?? []).map((row) => [row.id, row.parent]));
    for (let at = above.get(id); at !== undefined; at = above.get(at)) {
      delete collapsed[`${view}:${at}`];
    }
    store.set({
      ...change,
      row: { view, id },
      collapsed,
      ...withView(view),
    });
  },
  /** Shows a moment; moves the window only as far as it has to. */
  reveal(time: Rel): void {
    const { window } = store.get();
    if (time >= window.from && time <= window.to) return;
    const half = (window.to - window.from) / 2;
    actions.show({ from: time - half, to: time + half });
  },
  /**
   * Opens the timeline at a place: the evidence of a card, a row of the SQL console, a bookmark.
   * The span is selected and shown with room around it.
   */
  goTo(place: { from: Rel; to?: Rel; view?: string | null; row?: number | null }): void {
    const to = Math.max(place.to ?? place.from, place.from);
    const room = Math.max((to - place.from) * 0.5, 20_000);
    const selected = { time: place.from, range: to > place.from ? { from: place.from, to } : null };
    const { view, row } = place;
    if (view && row !== null && row !== undefined) actions.choose(view, row, selected);
    else store.set({ ...selected, ...(view ? withView(view) : {}) });
    actions.show({ from: place.from - room, to: to + room });
  },
  openTab(tab: BottomTab): void {
    store.set({ tab, bottomOpen: true });
  },
  toggleView(id: string): void {
    const { openViews } = store.get();
    store.set({
      openViews: openViews.includes(id)
        ? openViews.filter((view) => view !== id)
        : [...openViews, id],
    });
  },
  /** Shows a view that is open once more, at first with the filter that all views have. */
  copyView(view: string): void {
    const { copies, filter, openViews } = store.get();
    if (!openViews.includes(view)) return;
    if (copies.length >= mostCopies)
      return actions.notify(`There are ${mostCopies} copies of views; close one first.`);
    store.set({ copies: [...copies, { view, filter }] });
  },
  filterCopy(number: number, filter: string): void {
    const { copies } = store.get();
    store.set({ copies: copies.map((one, at) => (at === number ? { ...one, filter } : one)) });
  },
  closeCopy(number: number): void {
    const { copies, row } = store.get();
    store.set({
      copies: copies.filter((_, at) => at !== number),
      row: row && { view: row.view, id: row.id },
    });
  },
  togglePin(row: RowRef): void {
    const { pins } = store.get();
    const has = pins.some((pin) => pin.view === row.view && pin.id === row.id);
    store.set({
      pins: has ? pins.filter((pin) => pin.view !== row.view || pin.id !== row.id) : [...pins, row],
    });
  },
  toggleCollapsed(row: RowRef): void {
    const key = `${row.view}:${row.id}`;
    const collapsed = { ...store.get().collapsed };
    if (collapsed[key]) delete collapsed[key];
    else collapsed[key] = true;
    store.set({ collapsed });
  },
  notify(text: string, kind: 'info' | 'error' = 'info'): void {
    store.set({ notice: { kind, text } });
  },
  setTheme(theme: Theme): void {
    store.set({ theme });
  },
};
