// Everything that a key or a button does on the timeline. `keys` is also what the help shows.

import { api, type Row } from '../api';
import { followCulprit, guarded } from '../jump';
import { actions, firstPosition, orders, store } from '../store';
import { copyView } from './CopyFilter';
import { openDialog } from './Dialog';
import { orderNames } from './Display';
import { formatDuration, panSpan, parseTime, toAbs, toRel, zoomSpan } from '../time';
import { follow, followArrow } from './follow';
import { nextPlace } from './places';
import { scaleRows } from './gestures';
import { exportPng, exportSvg } from './picture';
import { laneOf, pathView, refOf } from './lanes';
import type { Scene } from './scene';

export interface Context {
  scene: Scene;
  focusFilter: () => void;
  askTime: () => Promise<string | null>;
}

export function selectedRow(): Row | null {
  const { row, rows } = store.get();
  return row ? (rows[row.view]?.find((item) => item.id === row.id) ?? null) : null;
}

export function zoom(scene: Scene, factor: number, centre?: number): void {
  const { window, limit, time } = store.get();
  const usual = scene.hover
    ? scene.time(scene.hover.x)
    : time !== null && time >= window.from && time <= window.to
      ? time
      : (window.from + window.to) / 2;
  actions.show(zoomSpan(window, centre ?? usual, factor, limit));
}

/** The middle of the selection, where it can be seen. */
function selectionCentre(): number | undefined {
  const { range, time, window } = store.get();
  const at = range ? (range.from + range.to) / 2 : time;
  return at !== null && at >= window.from && at <= window.to ? at : undefined;
}

export function pan(share: number): void {
  const { window, limit } = store.get();
  actions.show(panSpan(window, share * (window.to - window.from), limit));
}

export function step(context: Context, direction: 1 | -1, extend: boolean): Promise<void> {
  return guarded(async () => {
    const { row, range, views } = store.get();
    const { time } = store.get();
    if (!row || time === null || row.view === pathView) return;
    const layers = views.find((view) => view.id === row.view)?.layers ?? [];
    const layer =
      (row.view === 'fused' ? layers[0] : (layers.find((item) => item.id === 'state') ?? layers[0]))
        ?.id ?? 'state';
    const found = await api.step(row.view, row.id, toAbs(time), direction, layer);
    if (!found) return actions.notify(direction > 0 ? 'No later state.' : 'No earlier state.');
    const from = toRel(found.begin_ns);
    const to = toRel(found.end_ns);
    const grown =
      extend && range
        ? { from: Math.min(range.from, from), to: Math.max(range.to, to) }
        : { from, to };
    store.set({ time: from, range: grown.to > grown.from ? grown : null });
    actions.reveal(from);
    actions.notify(`${found.state}, ${formatDuration(to - from)}`);
    context.scene.invalidate();
  });
}

export function moveRow(context: Context, delta: number): void {
  const lanes = context.scene.layout.lanes.filter((lane) => lane.kind === 'row');
  const { row } = store.get();
  const here = laneOf(lanes, row);
  const at = here ? lanes.indexOf(here) : -1;
  const wanted = at < 0 && Number.isFinite(delta) ? 0 : Math.max(0, at) + delta;
  const next = lanes[Math.max(0, Math.min(lanes.length - 1, wanted))];
  if (next?.kind !== 'row') return;
  store.set({
    row: refOf(next),
    time: store.get().time ?? (store.get().window.from + store.get().window.to) / 2,
  });
}

function fold(open: boolean): void {
  const { row, collapsed } = store.get();
  if (row && (collapsed[`${row.view}:${row.id}`] === true) === open) actions.toggleCollapsed(row);
}

function measure(context: Context): void {
  const {
    measure: [a, b],
    time,
  } = store.get();
  const { hover } = context.scene;
  const here = hover ? Math.round(context.scene.time(hover.x)) : time;
  if (here === null) return actions.notify('Point at or select a moment, then press m.');
  if (a === null || b !== null) return store.set({ measure: [here, null] });
  store.set({ measure: [a, here] });
  actions.notify(`A to B: ${formatDuration(here - a)}`);
}

function highlight(): void {
  const { experiment, machine } = store.get();
  const names = (experiment?.machines ?? []).map((item) => item.machine);
  const own = selectedRow()?.machine;
  if (machine === null && own) return store.set({ machine: own });
  const at = machine === null ? -1 : names.indexOf(machine);
  store.set({ machine: names[at + 1] ?? null });
}

function nextOrder(): void {
  const steps = orders.filter((one) => one !== 'linked');
  const order =
    steps[(steps.indexOf(store.get().order as (typeof steps)[number]) + 1) % steps.length];
  if (!order) return;
  store.set({ order });
  actions.notify(`Threads: ${orderNames[order]}.`);
}

function pathOfSelected(): void {
  const { task } = store.get();
  const row = selectedRow();
  if (row?.kind === 'thread' && row.tid !== null) {
    const wanted = `${row.machine}/${row.tid}`;
    store.set({ task: task === wanted ? null : wanted });
  } else if (task) store.set({ task: null });
  else actions.notify('Select a thread first.');
}

function copyViewOfRow(): void {
  const { row, openViews } = store.get();
  const view = row && row.view !== pathView ? row.view : openViews[0];
  if (!view || !openViews.includes(view)) return actions.notify('Select a row of a view first.');
  copyView(view);
}

async function goToTime(context: Context): Promise<void> {
  const text = await context.askTime();
  if (!text) return;
  const { time, window } = store.get();
  const at = parseTime(text, time ?? window.from);
  if (at === null)
    return actions.notify(
      `“${text}” is not a time: 1.5s, 200ms, +5us, or absolute nanoseconds.`,
      'error',
    );
  store.set({ time: at, range: null });
  const half = (window.to - window.from) / 2;
  actions.show({ from: at - half, to: at + half });
}

function bookmark(): Promise<void> {
  return guarded(async () => {
    const { range, time, window, row } = store.get();
    const span = range ?? (time !== null ? { from: time, to: time } : window);
    await api.addBookmark({
      name: `${selectedRow()?.label ?? 'Place'} at ${formatDuration(span.from)}`,
      from_ns: toAbs(span.from),
      to_ns: toAbs(span.to),
      colour: '#ffd166',
      ...(row ? { view: row.view, row: row.id } : {}),
    });
    store.set({ bookmarks: await api.bookmarks() });
    actions.notify('Bookmark added.');
  });
}

export interface Key {
  keys: string[];
  label: string;
  text: string;
  run: (context: Context, event: KeyboardEvent) => void;
}

export const keys: Key[] = [
  { keys: ['w'], label: 'W', text: 'Zoom in at the pointer', run: ({ scene }) => zoom(scene, 0.5) },
  { keys: ['s'], label: 'S', text: 'Zoom out at the pointer', run: ({ scene }) => zoom(scene, 2) },
  {
    keys: ['+', '='],
    label: '+',
    text: 'Zoom in at the selection',
    run: ({ scene }) => zoom(scene, 0.5, selectionCentre()),
  },
  {
    keys: ['-'],
    label: '−',
    text: 'Zoom out at the selection',
    run: ({ scene }) => zoom(scene, 2, selectionCentre()),
  },
  { keys: ['a'], label: 'A', text: 'Move left by a quarter', run: () => pan(-0.25) },
  { keys: ['d'], label: 'D', text: 'Move right by a quarter', run: () => pan(0.25) },
  {
    keys: ['z'],
    label: 'Z',
    text: 'Zoom to the selection',
    run: () => {
      const { range } = store.get();
      if (range) actions.show(range);
    },
  },
  { keys: ['0'], label: '0', text: 'Show all', run: () => actions.showAll() },
  { keys: ['Backspace', 'u'], label: 'Backspace  U', text: 'Undo zoom', run: () => actions.undo() },
  { keys: ['U', 'r'], label: 'Shift+U  R', text: 'Redo zoom', run: () => actions.redo() },
  {
    keys: ['ArrowLeft'],
    label: '←',
    text: 'Previous state of the row (Shift: extend the selection)',
    run: (context, event) => void step(context, -1, event.shiftKey),
  },
  {
    keys: ['ArrowRight'],
    label: '→',
    text: 'Next state of the row (Shift: extend)',
    run: (context, event) => void step(context, 1, event.shiftKey),
  },
  { keys: ['ArrowUp'], label: '↑', text: 'Row above', run: (context) => moveRow(context, -1) },
  { keys: ['ArrowDown'], label: '↓', text: 'Row below', run: (context) => moveRow(context, 1) },
  {
    keys: ['PageUp'],
    label: 'Page up',
    text: 'Ten rows up',
    run: (context) => moveRow(context, -10),
  },
  {
    keys: ['PageDown'],
    label: 'Page down',
    text: 'Ten rows down',
    run: (context) => moveRow(context, 10),
  },
  {
    keys: ['Home'],
    label: 'Home',
    text: 'First row',
    run: (context) => moveRow(context, -Infinity),
  },
  {
    keys: ['End'],
    label: 'End',
    text: 'Last row',
    run: (context) => moveRow(context, Infinity),
  },
  {
    keys: ['Enter'],
    label: 'Enter',
    text: 'Fold or unfold the row',
    run: () => {
      const { row } = store.get();
      if (row) actions.toggleCollapsed(row);
    },
  },
  { keys: [']'], label: ']', text: 'Unfold the row', run: () => fold(true) },
  { keys: ['['], label: '[', text: 'Fold the row', run: () => fold(false) },
  {
    keys: ['*'],
    label: '*',
    text: 'Unfold all rows',
    run: () => store.set({ collapsed: {} }),
  },
  {
    keys: ['f'],
    label: 'F',
    text: 'Follow the culprit: who took the processor',
    run: () => void followCulprit(),
  },
  {
    keys: ['c'],
    label: 'C',
    text: 'Follow to the processor',
    run: () => void follow('cpu'),
  },
  {
    keys: ['t'],
    label: 'T',
    text: 'Follow to the thread',
    run: () => void follow('thread'),
  },
  {
    keys: ['j'],
    label: 'J',
    text: 'Follow the next arrow of the row (Shift: the one before)',
    run: ({ scene }, event) => followArrow(scene, event.shiftKey ? -1 : 1),
  },
  {
    keys: ['y'],
    label: 'Y',
    text: 'Critical path of the selected thread',
    run: () => pathOfSelected(),
  },
  {
    keys: ['h'],
    label: 'H',
    text: 'Highlight one machine, then the next, then all',
    run: () => highlight(),
  },
  {
    keys: ['p'],
    label: 'P',
    text: 'Pin the row',
    run: () => {
      const { row } = store.get();
      if (row) actions.togglePin(row);
    },
  },
  {
    keys: ['C'],
    label: 'Shift+C',
    text: 'Show the view of the row once more, with a filter of its own',
    run: () => copyViewOfRow(),
  },
  {
    keys: ['/'],
    label: '/',
    text: 'Filter rows and states',
    run: (context) => context.focusFilter(),
  },
  {
    keys: ['i'],
    label: 'I',
    text: 'Show or hide threads that never ran',
    run: () => store.set({ idle: !store.get().idle }),
  },
  {
    keys: ['e'],
    label: 'E',
    text: 'Hide rows that do nothing in this window, or show them',
    run: () => store.set({ active: !store.get().active }),
  },
  {
    keys: ['O'],
    label: 'Shift+O',
    text: 'Order threads so that the arrows in the window are short',
    run: () => store.set({ order: 'linked', linkedAt: store.get().linkedAt + 1 }),
  },
  {
    keys: ['o'],
    label: 'O',
    text: 'Order of threads: those that ran longest first, by number, by name, by beginning',
    run: () => nextOrder(),
  },
  { keys: ['k'], label: 'K', text: 'Rows on and off', run: () => openDialog('rows') },
  {
    keys: ['F'],
    label: 'Shift+F',
    text: 'Saved filters, and what a filter can say',
    run: () => openDialog('filters'),
  },
  {
    keys: ['q'],
    label: 'Q',
    text: 'Display: order, height, arrows, grid, marks, colours',
    run: () => openDialog('display'),
  },
  { keys: ['l'], label: 'L', text: 'Go to a time', run: (context) => void goToTime(context) },
  {
    keys: ['m'],
    label: 'M',
    text: 'Set mark A, then B, and measure',
    run: (context) => measure(context),
  },
  {
    keys: ['n', '.'],
    label: 'N  .',
    text: 'Next bookmark, mark or loss (Shift: the one before)',
    run: (_context, event) => nextPlace(event.shiftKey ? -1 : 1),
  },
  { keys: [','], label: ',', text: 'The one before', run: () => nextPlace(-1) },
  { keys: ['b'], label: 'B', text: 'Bookmark the selection', run: () => void bookmark() },
  {
    keys: ['v'],
    label: 'V',
    text: 'Arrows on or off',
    run: () => store.set({ arrows: !store.get().arrows }),
  },
  {
    keys: ['g'],
    label: 'G',
    text: 'Grid lines on or off',
    run: () => store.set({ grid: !store.get().grid }),
  },
  { keys: ['<'], label: '<', text: 'Lower rows', run: () => scaleRows(0.8) },
  { keys: ['>'], label: '>', text: 'Taller rows', run: () => scaleRows(1.25) },
  {
    keys: ['\\', '=height'],
    label: '\\',
    text: 'The usual height of rows',
    run: () => store.set({ rowHeight: firstPosition().rowHeight }),
  },
  { keys: ['x'], label: 'X', text: 'Picture as PNG', run: ({ scene }) => exportPng(scene) },
  { keys: ['X'], label: 'Shift+X', text: 'Picture as SVG', run: ({ scene }) => exportSvg(scene) },
  { keys: ['?'], label: '?', text: 'Keys and legend', run: () => actions.openTab('help') },
  {
    keys: ['Escape'],
    label: 'Esc',
    text: 'Clear the selection',
    run: () => store.set({ range: null, measure: [null, null] }),
  },
];

let bound: Context | null = null;

/** The timeline that keys and buttons act on. */
export function bind(context: Context | null): void {
  bound = context;
}

/** What a key does, for a button. */
export function press(key: string): void {
  const found = keys.find((item) => item.keys.includes(key));
  if (found && bound) found.run(bound, new KeyboardEvent('keydown', { key }));
}

/**
 * Whether keys write into it. A field of a dialog that was just closed keeps the focus until the
 * browser draws its next frame; a key that comes before is meant for the timeline.
 */
function typesInto(target: HTMLElement): boolean {
  const field = /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable;
  return field && target.closest('dialog:not([open])') === null;
}

export function onKey(event: KeyboardEvent): void {
  if (!bound || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target as HTMLElement;
  if (typesInto(target)) return;
  // Of a dialog that is open, also when none of its fields has the focus.
  if (document.querySelector('dialog[open]')) return;
  if (event.key === 'Enter' && /^(BUTTON|A)$/.test(target.tagName)) return;
  if (target.closest('.bottom, .details') && /^(Arrow|Page|Home|End|Enter)/.test(event.key)) return;
  const found =
    keys.find((key) => key.keys.includes(event.key)) ??
    keys.find((key) => key.keys.includes(event.key.toLowerCase()));
  if (!found) return;
  event.preventDefault();
  found.run(bound, event);
}
