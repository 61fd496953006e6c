// Which rows of a view are shown, and in which order: the filter, threads that never ran, rows
// that do nothing in the window, and the tree with what is folded.

import type { Row } from '../api';
import { filterOf } from '../filter/evaluate';
import type { Order, RowRef, State } from '../store';

export function sameRow(a: RowRef | null, b: RowRef | null): boolean {
  return a !== null && b !== null && a.view === b.view && a.id === b.id;
}

/** Rows by view that do something in the window; a view that is not known yet shows all. */
export type Awake = Record<string, ReadonlySet<number>>;

type Choice = Pick<State, 'filter' | 'ranOn' | 'hidden' | 'idle' | 'active' | 'order' | 'row'> & {
  awake: Awake;
  ranks?: Ranks;
};

/** Of what only the tasks that ran are shown, until somebody asks for all. */
function neverRan(row: Row): boolean {
  return row.kind === 'thread' && row.ran_ns === '0';
}

/** Processors are few, and that they are idle says something. */
const alwaysShown: ReadonlyArray<Row['kind']> = ['group', 'pcpu', 'vcpu'];

function hides(row: Row, view: string, choice: Choice): boolean {
  if (sameRow(choice.row, { view, id: row.id })) return false;
  const awake = choice.active ? choice.awake[view] : undefined;
  if (awake && !alwaysShown.includes(row.kind) && !awake.has(row.id)) return true;
  if (!neverRan(row) || choice.idle) return false;
  // Whoever asks for a row by what it is gets it.
  const { filter } = filterOf(choice.filter);
  return filter.empty || filter.of(row, choice.ranOn[view]) !== true;
}

/** Places of rows of a view, lowest first, so that arrows are short; by id. */
export type Ranks = Record<string, ReadonlyMap<number, number>>;

type Compare = (a: Row, b: Row) => number;

function comparing(view: string, choice: Choice): Compare | null {
  const ranks = choice.ranks?.[view];
  const rank = (row: Row): number => ranks?.get(row.id) ?? Infinity;
  const compare: Record<Order, Compare | null> = {
    number: null,
    ran: (a, b) => Number(b.ran_ns) - Number(a.ran_ns),
    name: (a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }),
    begin: (a, b) => Number(BigInt(a.begin_ns) - BigInt(b.begin_ns)),
    linked: ranks ? (a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)) : null,
  };
  return compare[choice.order];
}

/** Rows that are switched off. */
function switchedOff(rows: readonly Row[], view: string, choice: Choice): ReadonlySet<number> {
  const out = new Set<number>();
  for (const row of rows) if (choice.hidden[`${view}:${row.id}`]) out.add(row.id);
  if (out.size === 0) return out;
  const above = new Map(rows.map((row) => [row.id, row.parent]));
  for (const row of rows) {
    if (out.has(row.id)) continue;
    // What stands above a shown row stays, so that the row keeps its place.
    for (let at = row.parent; at >= 0; at = above.get(at) ?? -1) out.delete(at);
  }
  return out;
}

export function shownRows(rows: readonly Row[], view: string, choice: Choice): Row[] {
  const off = switchedOff(rows, view, choice);
  const shown = rows.filter((row) => !off.has(row.id) && !hides(row, view, choice));
  const compare = comparing(view, choice);
  if (!compare) return shown;
  // Threads change places among themselves only.
  const threads = shown.filter((row) => row.kind === 'thread').sort(compare);
  return [...shown.filter((row) => row.kind !== 'thread'), ...threads];
}

/** Whether a choice would hide a row if it were not selected. */
export function wouldHide(row: Row, view: string, choice: Choice): boolean {
  return hides(row, view, { ...choice, row: null });
}

/** What the header of a view says of rows that are left out. */
export function hiddenText(hidden: number, choice: Choice): string {
  if (hidden === 0) return '';
  if (choice.active) return `; ${hidden} without activity in this window: press E to see`;
  return `; ${hidden} ${hidden === 1 ? 'thread' : 'threads'} that never ran: press I to see`;
}

export interface TreeRow {
  row: Row;
  depth: number;
  parent: boolean;
  open: boolean;
}

/**
 * Depth-first order with what is folded, filtered out or empty left out. Ancestors of a match stay.
 */
export function flatten(
  rows: readonly Row[],
  matches: (row: Row) => boolean,
  folded: (id: number) => boolean,
): TreeRow[] {
  const children = new Map<number, Row[]>();
  for (const row of rows) {
    const list = children.get(row.parent);
    if (list) list.push(row);
    else children.set(row.parent, [row]);
  }
  const keep = new Map<number, boolean>();
  const wanted = (row: Row): boolean => {
    const below = (children.get(row.id) ?? []).map(wanted).includes(true);
    const any = below || (row.kind !== 'group' && row.has_data && matches(row));
    keep.set(row.id, any);
    return any;
  };
  const out: TreeRow[] = [];
  const walk = (row: Row, depth: number): void => {
    if (!keep.get(row.id)) return;
    const below = (children.get(row.id) ?? []).filter((child) => keep.get(child.id));
    const open = !folded(row.id);
    out.push({ row, depth, parent: below.length > 0, open });
    if (open) for (const child of below) walk(child, depth + 1);
  };
  const known = new Set(rows.map((row) => row.id));
  const roots = rows.filter((row) => row.parent < 0 || !known.has(row.parent));
  for (const root of roots) wanted(root);
  for (const root of roots) walk(root, 0);
  return out;
}
