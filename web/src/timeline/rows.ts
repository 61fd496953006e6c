// Which rows of a view are shown, and in which order: the filter, threads that never ran, rows
// that do nothing in the window, and the tree with what is folded.

import type { Row } from '../api';
import type { RowRef, State } from '../store';

export function sameRow(a: RowRef | null, b: RowRef | null): boolean {
  return a !== null && b !== null && a.view === b.view && a.id === b.id;
}

/** Rows by view that do something in the window; a view that is not known yet shows all. */
export type Awake = Record<string, ReadonlySet<number>>;

type Choice = Pick<State, 'filter' | 'idle' | 'active' | 'byNumber' | 'row'> & { awake: Awake };

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
  return neverRan(row) && !choice.idle && !choice.filter.trim();
}

export function shownRows(rows: readonly Row[], view: string, choice: Choice): Row[] {
  const shown = rows.filter((row) => !hides(row, view, choice));
  if (choice.byNumber) return shown;
  const ran = (row: Row): number => (row.kind === 'thread' ? Number(row.ran_ns) : 0);
  // Threads change places among themselves only.
  const threads = shown.filter((row) => row.kind === 'thread').sort((a, b) => ran(b) - ran(a));
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

const stateTerm = /^state:./;
const terms = (filter: string): string[] => filter.trim().toLowerCase().split(/\s+/);

/** States that the filter asks for, `state:preempted`: they stay as they are, others are faded. */
export function wantedStates(filter: string): string[] {
  return terms(filter).flatMap((one) => (stateTerm.test(one) ? [one.slice(6)] : []));
}

/** What the filter says of rows. */
export function rowFilter(filter: string): string {
  return terms(filter)
    .filter((one) => !stateTerm.test(one))
    .join(' ');
}

/**
 * The filter of '/': words that must all match (label, number, machine or kind); `!word` must not;
 * `vm:vm1`, `kind:thread`, `cpu:1`, `tid:156` ask one field.
 */
export function rowMatcher(filter: string): (row: Row) => boolean {
  const tests = terms(filter).filter(Boolean).map(term);
  return (row) => tests.every((test) => test(row));
}

function term(text: string): (row: Row) => boolean {
  if (text.startsWith('!') && text.length > 1) {
    const inner = term(text.slice(1));
    return (row) => !inner(row);
  }
  const field = /^(vm|machine|kind|cpu|vcpu|tid):(.+)$/.exec(text);
  if (field) {
    const name =
      field[1] === 'vm' ? 'machine' : (field[1] as 'machine' | 'kind' | 'cpu' | 'vcpu' | 'tid');
    return (row) => String(row[name] ?? '').toLowerCase() === field[2];
  }
  return (row) =>
    `${row.label} ${row.sub} ${row.machine} ${row.kind} ${row.tid ?? ''}`
      .toLowerCase()
      .includes(text);
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
  filter: string,
  folded: (id: number) => boolean,
): TreeRow[] {
  const children = new Map<number, Row[]>();
  for (const row of rows) {
    const list = children.get(row.parent);
    if (list) list.push(row);
    else children.set(row.parent, [row]);
  }
  const matches = rowMatcher(filter);
  const keep = new Map<number, boolean>();
  const wanted = (row: Row, above: boolean): boolean => {
    const own = above || (filter.trim() !== '' && matches(row));
    let any = (filter.trim() === '' || own) && (row.has_data || row.kind === 'group');
    for (const child of children.get(row.id) ?? [])
      any = wanted(child, own && row.kind === 'group') || any;
    if (row.kind === 'group' && !(children.get(row.id) ?? []).some((child) => keep.get(child.id)))
      any = false;
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
  for (const root of roots) wanted(root, false);
  for (const root of roots) walk(root, 0);
  return out;
}
