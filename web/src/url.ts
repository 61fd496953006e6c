// The position in the URL fragment: what a pasted link restores. Times are absolute nanoseconds, so
// that a link stays right when the experiment begins elsewhere (a longer recording of the same
// boot).

import {
  type BottomTab,
  firstPosition,
  mostCopies,
  orders,
  type RowRef,
  type State,
  type Theme,
  type ViewCopy,
} from './store';
import { toAbs, toRel } from './time';

/** Per cent of the page. */
export const bottomLeast = 12;
export const bottomMost = 85;

const tabs: readonly BottomTab[] = [
  'overview',
  'events',
  'sql',
  'why',
  'compare',
  'bookmarks',
  'help',
];

function span(value: { from: number; to: number }): string {
  return `${toAbs(value.from)}-${toAbs(value.to)}`;
}

function parseSpan(text: string | null): { from: number; to: number } | null {
  const match = /^(-?\d{1,19})-(-?\d{1,19})$/.exec(text ?? '');
  if (!match) return null;
  const from = toRel(match[1] as string);
  const to = toRel(match[2] as string);
  return from < to ? { from, to } : null;
}

function parseTime(text: string | null): number | null {
  return text !== null && /^-?\d{1,19}$/.test(text) ? toRel(text) : null;
}

function parseRow(text: string | null): RowRef | null {
  const match = /^([a-z]{1,20})\.(\d{1,9})(?:\.(\d))?$/.exec(text ?? '');
  if (!match) return null;
  const row = { view: match[1] as string, id: Number(match[2]) };
  return match[3] === undefined ? row : { ...row, copy: Number(match[3]) };
}

const rowText = ({ view, id, copy }: RowRef): string =>
  copy === undefined ? `${view}.${id}` : `${view}.${id}.${copy}`;

function parseCopy(text: string): ViewCopy[] {
  const match = /^([a-z]{1,20})\.(.{0,500})$/.exec(text);
  return match ? [{ view: match[1] as string, filter: match[2] as string }] : [];
}

/** `vms:3`, `vms:4`, `vms:9` as `vms.3-4.9`; views are joined by `_`. */
function rangesText(keys: string[]): string {
  const views = new Map<string, number[]>();
  for (const key of keys) {
    const [view, id] = key.split(':') as [string, string];
    views.set(view, [...(views.get(view) ?? []), Number(id)]);
  }
  return [...views]
    .map(([view, ids]) => {
      const runs: Array<[number, number]> = [];
      for (const id of ids.sort((a, b) => a - b)) {
        const last = runs[runs.length - 1];
        if (last && id === last[1] + 1) last[1] = id;
        else runs.push([id, id]);
      }
      return [view, ...runs.map(([a, b]) => (a === b ? String(a) : `${a}-${b}`))].join('.');
    })
    .join('_');
}

const mostHidden = 20_000;

function parseRanges(text: string | null): string[] {
  const out: string[] = [];
  for (const part of list(text, '_')) {
    const [view, ...runs] = part.split('.');
    if (!/^[a-z]{1,20}$/.test(view ?? '')) continue;
    for (const run of runs) {
      const found = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(run);
      if (!found) continue;
      const last = Number(found[2] ?? found[1]);
      for (let id = Number(found[1]); id <= last && out.length < mostHidden; ++id)
        out.push(`${view}:${id}`);
    }
  }
  return out;
}

/** Null: the link says nothing of colours. */
export function parseColours(text: string | null): Record<string, string> | null {
  const found = list(text, '*').flatMap((part) => {
    const match = /^(.{1,100})\.([0-9a-f]{6})$/i.exec(part);
    return match ? [[match[1] as string, `#${(match[2] as string).toLowerCase()}`] as const] : [];
  });
  return found.length > 0 ? Object.fromEntries(found.slice(0, 100)) : null;
}

function parsePeriod(text: string | null): State['period'] {
  const match = /^(\d{1,15})-(-?\d{1,19})$/.exec(text ?? '');
  const every = Number(match?.[1] ?? 0);
  return match && every > 0 ? { every, from: toRel(match[2] as string) } : null;
}

/** The fragment without '#'. */
export function encodePosition(state: State): string {
  const out = new URLSearchParams();
  const usual = firstPosition();
  if (state.window.from !== state.limit.from || state.window.to !== state.limit.to)
    out.set('w', span(state.window));
  if (state.range) out.set('s', span(state.range));
  if (state.time !== null) out.set('t', toAbs(state.time));
  if (state.row) out.set('r', rowText(state.row));
  if (state.task) out.set('task', state.task);
  if (state.openViews.join() !== usual.openViews.join()) out.set('v', state.openViews.join('.'));
  for (const { view, filter } of state.copies) out.append('copy', `${view}.${filter}`);
  if (state.pins.length > 0) out.set('p', state.pins.map(rowText).join('_'));
  const collapsed = Object.keys(state.collapsed);
  if (collapsed.length > 0) out.set('c', collapsed.map((key) => key.replace(':', '.')).join('_'));
  if (state.filter) out.set('f', state.filter);
  if (state.idle) out.set('idle', '1');
  if (state.active) out.set('active', '1');
  if (state.filterHides) out.set('fh', '1');
  if (state.order !== usual.order) out.set('order', state.order);
  const hidden = rangesText(Object.keys(state.hidden));
  if (hidden) out.set('x', hidden);
  const colours = Object.entries(state.colours);
  if (colours.length > 0)
    out.set('col', colours.map(([name, hex]) => `${name}.${hex.slice(1)}`).join('*'));
  if (state.period) out.set('every', `${state.period.every}-${toAbs(state.period.from)}`);
  if (state.machine) out.set('m', state.machine);
  if (state.measure[0] !== null) out.set('a', toAbs(state.measure[0]));
  if (state.measure[1] !== null) out.set('b', toAbs(state.measure[1]));
  if (!state.arrows) out.set('arrows', '0');
  if (!state.grid) out.set('grid', '0');
  if (state.rowHeight !== usual.rowHeight) out.set('h', String(state.rowHeight));
  if (state.theme !== usual.theme) out.set('theme', state.theme);
  if (state.tab !== usual.tab) out.set('tab', state.tab);
  if (!state.bottomOpen) out.set('bottom', '0');
  else if (state.bottomShare !== usual.bottomShare) out.set('bottom', String(state.bottomShare));
  return out.toString();
}

function list(text: string | null, separator: string): string[] {
  return text
    ? text
        .split(separator)
        .filter((item) => item.length > 0)
        .slice(0, 1000)
    : [];
}

/**
 * What a fragment says; unknown and wrong parts are left out, so that an old or cut link still
 * opens.
 */
export function decodePosition(fragment: string): Partial<State> {
  const from = new URLSearchParams(fragment.replace(/^#/, ''));
  const out: Partial<State> = {};
  const window = parseSpan(from.get('w'));
  if (window) out.window = window;
  const range = parseSpan(from.get('s'));
  if (range) out.range = range;
  const time = parseTime(from.get('t'));
  if (time !== null) out.time = time;
  const row = parseRow(from.get('r'));
  if (row) out.row = row;
  const task = from.get('task');
  if (task) out.task = task.slice(0, 200);
  if (from.has('v'))
    out.openViews = list(from.get('v'), '.').filter((id) => /^[a-z]{1,20}$/.test(id));
  const copies = from.getAll('copy').slice(0, mostCopies).flatMap(parseCopy);
  if (copies.length > 0) out.copies = copies;
  const pins = list(from.get('p'), '_')
    .map(parseRow)
    .filter((pin): pin is RowRef => pin !== null);
  if (pins.length > 0) out.pins = pins;
  const collapsed = list(from.get('c'), '_')
    .map(parseRow)
    .filter((item): item is RowRef => item !== null);
  if (collapsed.length > 0)
    out.collapsed = Object.fromEntries(
      collapsed.map((item) => [`${item.view}:${item.id}`, true as const]),
    );
  const filter = from.get('f');
  if (filter) out.filter = filter.slice(0, 500);
  if (from.get('idle') === '1') out.idle = true;
  if (from.get('active') === '1') out.active = true;
  if (from.get('fh') === '1') out.filterHides = true;
  const order = orders.find((name) => name === from.get('order'));
  if (order) out.order = order;
  const hidden = parseRanges(from.get('x'));
  if (hidden.length > 0) out.hidden = Object.fromEntries(hidden.map((key) => [key, true as const]));
  const colours = parseColours(from.get('col'));
  if (colours) out.colours = colours;
  const period = parsePeriod(from.get('every'));
  if (period) out.period = period;
  const machine = from.get('m');
  if (machine) out.machine = machine.slice(0, 200);
  const marks: [number | null, number | null] = [
    parseTime(from.get('a')),
    parseTime(from.get('b')),
  ];
  if (marks[0] !== null || marks[1] !== null) out.measure = marks;
  if (from.get('arrows') === '0') out.arrows = false;
  if (from.get('grid') === '0') out.grid = false;
  const height = Number(from.get('h'));
  if (Number.isInteger(height) && height >= 3 && height <= 60) out.rowHeight = height;
  const theme = from.get('theme');
  if (theme === 'dark' || theme === 'light' || theme === 'system')
    out.theme = theme satisfies Theme;
  const tab = tabs.find((name) => name === from.get('tab'));
  if (tab) out.tab = tab;
  const bottom = Number(from.get('bottom') ?? 'no');
  if (bottom === 0) out.bottomOpen = false;
  else if (Number.isInteger(bottom) && bottom >= bottomLeast && bottom <= bottomMost) {
    out.bottomShare = bottom;
  }
  return out;
}
