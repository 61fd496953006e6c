// Which lanes are on the screen, top to bottom: pinned rows, then the open views with their trees,
// filtered and folded.

import type { Row, Series, ViewInfo } from '../api';
import { filterOf } from '../filter/evaluate';
import type { RowRef, State } from '../store';
import {
  type Awake,
  flatten,
  hiddenText,
  type Ranks,
  sameRow,
  shownRows,
  type TreeRow,
} from './rows';

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
      copy?: number;
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
      copy?: number;
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

export interface Layout {
  lanes: Lane[];
  /** Height of the pinned part, which does not scroll. */
  fixedHeight: number;
  /** Height of the part that scrolls. */
  height: number;
}

type Parts = Pick<
  State,
  | 'views'
  | 'rows'
  | 'ranOn'
  | 'openViews'
  | 'copies'
  | 'collapsed'
  | 'pins'
  | 'filter'
  | 'rowHeight'
  | 'idle'
  | 'active'
  | 'order'
  | 'hidden'
  | 'row'
> & { awake: Awake; ranks?: Ranks };

function rowHeight(row: Row, base: number): number {
  if (row.kind === 'group') return Math.max(base, 14);
  return row.kind === 'pcpu' || row.kind === 'vcpu' ? Math.round(base * 1.25) : base;
}

/** The row that a lane shows, where it shows it. */
export function refOf({ view, row, copy }: Lane & { kind: 'row' }): RowRef {
  return copy === undefined ? { view, id: row.id } : { view, id: row.id, copy };
}

/** The lane of a row: in the copy of its view that is meant, else where it is shown first. */
export function laneOf(
  lanes: readonly Lane[],
  row: RowRef | null,
): (Lane & { kind: 'row' }) | undefined {
  let first: (Lane & { kind: 'row' }) | undefined;
  for (const lane of lanes) {
    if (lane.kind !== 'row' || !sameRow({ view: lane.view, id: lane.row.id }, row)) continue;
    if (lane.copy === row?.copy) return lane;
    first ??= lane;
  }
  return first;
}

class Builder {
  readonly lanes: Lane[] = [];
  top = 0;
  /** What the lanes that come belong to. */
  copy: number | undefined;
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
    const { copy } = this;
    const own = copy === undefined ? {} : { copy, key: `c${copy}.${lane.key}` };
    this.lanes.push({ ...lane, ...own, top: this.top });
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

/** Why a view is empty, as a sentence: the server says "needs kvm_entry, kvm_exit". */
export function missingText(message: string): string {
  return message.startsWith('needs ') ? `This view ${message}: not in these traces.` : message;
}

function emptyText(view: ViewInfo, state: Parts): string {
  if (!filterOf(state.filter).filter.empty) return `No row matches “${state.filter}”.`;
  if (state.active && !view.missing) return 'No row does anything in this window (E shows all).';
  return view.missing ? missingText(view.missing.message) : 'There is nothing to show here.';
}

function viewLanes(view: ViewInfo, state: Parts, builder: Builder): void {
  const all = state.rows[view.id] ?? [];
  const rows = shownRows(all, view.id, state);
  const { filter } = filterOf(state.filter);
  const kept = (row: Row): boolean => filter.of(row, state.ranOn[view.id]) !== false;
  const tree = flatten(rows, kept, (id) => state.collapsed[`${view.id}:${id}`] === true);
  builder.header(
    view.id,
    view.name,
    view.description + hiddenText(all.length - rows.length, state),
    tree.filter((item) => item.row.kind !== 'group').length,
  );
  if (view.missing && rows.length === 0) {
    builder.push({
      kind: 'empty',
      key: `e.${view.id}`,
      view: view.id,
      message: missingText(view.missing.message),
      command: view.missing.command,
      top: 0,
      height: emptyHeight,
      fixed: false,
    });
  } else if (tree.length === 0 && state.rows[view.id]) {
    const message = emptyText(view, state);
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

/** A view and its copies, each with its own filter. */
function viewAndCopies(view: ViewInfo, state: Parts, builder: Builder): void {
  viewLanes(view, state, builder);
  let number = 1;
  state.copies.forEach((copy, at) => {
    if (copy.view !== view.id) return;
    builder.copy = at;
    const name = `${view.name} ${++number}`;
    viewLanes({ ...view, name }, { ...state, filter: copy.filter }, builder);
  });
  builder.copy = undefined;
}

/** Why there are no rates: what the machines' views lack, they lack, too. */
function noSeries({ views }: Parts): { message: string; command: string } {
  const missing = views.find((view) => view.id === 'vms')?.missing;
  if (!missing) return { message: 'No series in this span.', command: '' };
  const message = missingText(missing.message).replace('This view needs', 'Rates need');
  return { message, command: missing.command };
}

/** `path`: rows of the critical path, null when none is shown. */
export function layout(
  state: Parts,
  series: readonly Series[],
  path: { name: string; headline: string; rows: Row[] } | null,
): Layout {
  const fixed = new Builder(state.rowHeight);
  pinned(state, fixed);
  const builder = new Builder(state.rowHeight);
  if (path) {
    builder.header(pathView, path.name, path.headline, path.rows.length);
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
    if (state.openViews.includes(view.id)) viewAndCopies(view, state, builder);
  if (state.openViews.includes(seriesView)) {
    builder.header(seriesView, 'Rates', 'Steal, exits and traffic over time', series.length);
    if (series.length === 0) {
      builder.push({
        kind: 'empty',
        key: 'e.series',
        view: seriesView,
        ...noSeries(state),
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
