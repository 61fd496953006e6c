// Which lanes are on the screen, top to bottom: pinned rows, then the open views with their trees,
// filtered and folded.

import type { Row, Series, ViewInfo } from '../api';
import type { RowRef, State } from '../store';

export type Lane =
  | {
      kind: 'header';
      key: string;
      view: string;
      name: string;
      description: string;
      top: number;
      height: number;
      fixed: boolean;
      count: number;
    }
  | {
      kind: 'row';
      key: string;
      view: string;
      row: Row;
      depth: number;
      parent: boolean;
      open: boolean;
      top: number;
      height: number;
      fixed: boolean;
    }
  | {
      kind: 'series';
      key: string;
      view: string;
      series: Series;
      top: number;
      height: number;
      fixed: boolean;
    }
  | {
      kind: 'empty';
      key: string;
      view: string;
      message: string;
      command: string;
      top: number;
      height: number;
      fixed: boolean;
    };

export const seriesView = 'series';
export const pathView = 'path';
const headerHeight = 24;
const seriesHeight = 54;
const emptyHeight = 58;

/**
 * The filter of '/': words that must all match (label, number, machine or kind); `!word` must not;
 * `vm:vm1`, `kind:thread`, `cpu:1`, `tid:156` ask one field.
 */
export function rowMatcher(filter: string): (row: Row) => boolean {
  const tests = filter.trim().toLowerCase().split(/\s+/).filter(Boolean).map(term);
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

export interface Layout {
  lanes: Lane[];
  /** Height of the pinned part, which does not scroll. */
  fixedHeight: number;
  /** Height of the part that scrolls. */
  height: number;
}

type Parts = Pick<
  State,
  'views' | 'rows' | 'openViews' | 'collapsed' | 'pins' | 'filter' | 'rowHeight'
>;

function rowHeight(row: Row, base: number): number {
  if (row.kind === 'group') return Math.max(base, 14);
  return row.kind === 'pcpu' || row.kind === 'vcpu' ? Math.round(base * 1.25) : base;
}

class Builder {
  readonly lanes: Lane[] = [];
  top = 0;
  constructor(private readonly base: number) {}
  header(view: string, name: string, description: string, count: number, fixed = false): void {
    this.push({
      kind: 'header',
      key: `${fixed ? 'p' : ''}h.${view}`,
      view,
      name,
      description,
      count,
      top: 0,
      height: headerHeight,
      fixed,
    });
  }
  row(view: string, tree: TreeRow, fixed = false): void {
    const { row, depth, parent, open } = tree;
    this.push({
      kind: 'row',
      key: `${fixed ? 'p' : ''}${view}.${row.id}`,
      view,
      row,
      depth,
      parent,
      open,
      top: 0,
      height: rowHeight(row, this.base),
      fixed,
    });
  }
  push(lane: Lane): void {
    this.lanes.push({ ...lane, top: this.top });
    this.top += lane.height;
  }
}

function pinned(state: Parts, builder: Builder): void {
  const known = state.pins
    .map((pin) => ({ pin, row: state.rows[pin.view]?.find((row) => row.id === pin.id) }))
    .filter((item) => item.row);
  if (known.length === 0) return;
  builder.header('pins', 'Pinned', '', known.length, true);
  for (const { pin, row } of known)
    if (row) builder.row(pin.view, { row, depth: 0, parent: false, open: true }, true);
}

function viewLanes(view: ViewInfo, state: Parts, builder: Builder): void {
  const rows = state.rows[view.id] ?? [];
  const tree = flatten(rows, state.filter, (id) => state.collapsed[`${view.id}:${id}`] === true);
  builder.header(
    view.id,
    view.name,
    view.description,
    tree.filter((item) => item.row.kind !== 'group').length,
  );
  if (view.missing && rows.length === 0) {
    builder.push({
      kind: 'empty',
      key: `e.${view.id}`,
      view: view.id,
      message: view.missing.message,
      command: view.missing.command,
      top: 0,
      height: emptyHeight,
      fixed: false,
    });
  } else if (tree.length === 0 && state.rows[view.id]) {
    const message = state.filter
      ? `No row matches “${state.filter}”.`
      : (view.missing?.message ?? 'There is nothing to show here.');
    builder.push({
      kind: 'empty',
      key: `e.${view.id}`,
      view: view.id,
      message,
      command: view.missing?.command ?? '',
      top: 0,
      height: emptyHeight,
      fixed: false,
    });
  }
  for (const item of tree) builder.row(view.id, item);
}

/** `path`: rows of the critical path, null when none is shown. */
export function layout(
  state: Parts,
  series: readonly Series[],
  path: { name: string; rows: Row[] } | null,
): Layout {
  const fixed = new Builder(state.rowHeight);
  pinned(state, fixed);
  const builder = new Builder(state.rowHeight);
  if (path) {
    builder.header(pathView, path.name, '', path.rows.length);
    for (const row of path.rows)
      builder.row(pathView, { row, depth: 0, parent: false, open: true });
    if (path.rows.length === 0) {
      builder.push({
        kind: 'empty',
        key: 'e.path',
        view: pathView,
        message: 'No critical path in this span.',
        command: '',
        top: 0,
        height: emptyHeight,
        fixed: false,
      });
    }
  }
  for (const view of state.views)
    if (state.openViews.includes(view.id)) viewLanes(view, state, builder);
  if (state.openViews.includes(seriesView)) {
    builder.header(seriesView, 'Rates', 'Steal, exits and traffic over time', series.length);
    if (series.length === 0) {
      builder.push({
        kind: 'empty',
        key: 'e.series',
        view: seriesView,
        message: 'No series in this span.',
        command: '',
        top: 0,
        height: emptyHeight,
        fixed: false,
      });
    }
    for (const one of series)
      builder.push({
        kind: 'series',
        key: `s.${one.id}`,
        view: seriesView,
        series: one,
        top: 0,
        height: seriesHeight,
        fixed: false,
      });
  }
  return { lanes: [...fixed.lanes, ...builder.lanes], fixedHeight: fixed.top, height: builder.top };
}

export function sameRow(a: RowRef | null, b: RowRef | null): boolean {
  return a !== null && b !== null && a.view === b.view && a.id === b.id;
}
