// Draws the timeline: lanes as pixels (paint.ts), and above them what is thin or short-lived: grid,
// text, arrows, losses, selection, cursor. One frame per change, none when nothing changes.

import type { Arrow, Row } from '../api';
import { store, type State } from '../store';
import { formatDuration, formatRel, tickStep } from '../time';
import { StatesCache } from './data';
import { type Lane, type Layout, pathView, seriesView } from './lanes';
import {
  buildTable,
  type Columns,
  columns,
  comboOfStyle,
  paintLane,
  type Geometry,
  type RowPixels,
  type Source,
  type Style,
  styleColumns,
  type StyleTable,
} from './paint';
import {
  css,
  darkScheme,
  fade,
  fusedFill,
  isStolen,
  machineColour,
  pack,
  rulerHeight,
  type Scheme,
  textOn,
  stateFill,
} from './palette';
import { wantedStates } from './rows';
import { schemeOf } from './theme';
import { bookmarks, cursor, drawArrows, losses, selectedSpan, series } from './overlay';
import { unknownLanes, unknownRuler } from './unknown';

export const frames: number[] = [];

type RowLane = Lane & { kind: 'row' };

interface PathRows {
  pixels: (id: number) => RowPixels | null;
}

export class Scene {
  readonly cache = new StatesCache(() => this.invalidate());
  scheme: Scheme = darkScheme;
  layout: Layout = { lanes: [], fixedHeight: 0, height: 0 };
  width = 1;
  height = 1;
  scroll = 0;
  hover: { x: number; y: number } | null = null;
  drag: { from: number; to: number; zoom: boolean } | null = null;
  arrows: Array<Arrow & { view: string }> = [];
  path: PathRows | null = null;
  /** States that are not faded; all where it is empty. */
  private wanted: string[] = [];
  onFrame: (() => void) | null = null;
  private image: ImageData | null = null;
  private words = new Uint32Array(0);
  private styles = new Uint32Array(0);
  private readonly tables = new Map<string, { key: string; table: StyleTable; layers: string[] }>();
  private queued = false;
  private seen: { layout: Layout | null; scroll: number; height: number; lanes: Lane[] } = {
    ...{ layout: null, scroll: 0, height: 0, lanes: [] },
  };

  constructor(
    readonly base: HTMLCanvasElement,
    readonly over: HTMLCanvasElement,
    readonly ruler: HTMLCanvasElement,
  ) {}

  resize(width: number, height: number): void {
    this.width = Math.max(1, Math.floor(width));
    this.height = Math.max(1, Math.floor(height));
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.base.width = this.width;
    this.base.height = this.height;
    for (const [canvas, tall] of [
      [this.over, this.height],
      [this.ruler, rulerHeight],
    ] as const) {
      canvas.width = Math.round(this.width * ratio);
      canvas.height = Math.round(tall * ratio);
      canvas.getContext('2d')?.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.image = new ImageData(this.width, this.height);
    this.words = new Uint32Array(this.image.data.buffer);
    this.styles = new Uint32Array(this.width);
    this.invalidate();
  }

  /** What is drawn is what there is: no frame is due and no states are on their way. */
  settled(): boolean {
    return !this.queued && this.cache.idle();
  }

  invalidate(): void {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.frame();
    });
  }

  x(time: number): number {
    const { window } = store.get();
    return ((time - window.from) / (window.to - window.from)) * this.width;
  }

  time(x: number): number {
    const { window } = store.get();
    return window.from + (x / this.width) * (window.to - window.from);
  }

  laneTop(lane: Lane): number {
    return lane.fixed ? lane.top : lane.top + this.layout.fixedHeight - this.scroll;
  }

  /** Lanes on the screen; found again when the layout, the scrolling or the size change. */
  visible(): Lane[] {
    const { layout, scroll, height, seen } = this;
    if (seen.layout === layout && seen.scroll === scroll && seen.height === height)
      return seen.lanes;
    const lanes = layout.lanes.filter((lane) => {
      const top = this.laneTop(lane);
      return top < height && top + lane.height > (lane.fixed ? 0 : layout.fixedHeight);
    });
    this.seen = { layout, scroll, height, lanes };
    return lanes;
  }

  laneAt(y: number): Lane | null {
    const lanes = this.visible();
    return (
      lanes.find(
        (lane) => lane.fixed && y >= this.laneTop(lane) && y < this.laneTop(lane) + lane.height,
      ) ??
      lanes.find(
        (lane) =>
          !lane.fixed &&
          y >= this.layout.fixedHeight &&
          y >= this.laneTop(lane) &&
          y < this.laneTop(lane) + lane.height,
      ) ??
      null
    );
  }

  /** The state's names in the layers of a row, as drawn at a column or next to it. */
  namesAt(lane: RowLane, x: number): string[] {
    const near = this.runs(lane, store.get())
      .filter((run) => run.combo !== 0 && run.from <= x + nearPx && run.to > x - nearPx)
      .sort((a, b) => distance(a, x) - distance(b, x))[0];
    return near ? this.comboNames(lane.view, near.combo) : [];
  }

  /** How far from the pointer what it points at may be, in ns. */
  nearNs(): number {
    const { window } = store.get();
    return Math.ceil(((window.to - window.from) / this.width) * nearPx);
  }

  layersOf(view: string): string[] {
    if (view === pathView) return ['path'];
    return (
      store
        .get()
        .views.find((item) => item.id === view)
        ?.layers.map((layer) => layer.id) ?? []
    );
  }

  private frame(): void {
    const begin = performance.now();
    const state = store.get();
    this.scheme = schemeOf(state.theme);
    this.wanted = wantedStates(state.filter);
    this.paint(state);
    this.overlay(state);
    this.drawRuler(state);
    frames.push(performance.now() - begin);
    if (frames.length > 2000) frames.splice(0, 1000);
    this.request(state);
    this.onFrame?.();
  }

  private request(state: State): void {
    const byView = new Map<string, Row[]>();
    for (const lane of this.visible()) {
      if (lane.kind !== 'row' || lane.view === pathView) continue;
      const rows = byView.get(lane.view);
      if (rows) rows.push(lane.row);
      else byView.set(lane.view, [lane.row]);
    }
    for (const [view, rows] of byView) {
      this.cache.ensure(view, this.layersOf(view), rows, { ...state.window, pixels: this.width });
    }
  }

  /** What a lane is drawn from, finest first; rows of one answer share their columns. */
  private sources(state: State): (lane: RowLane) => Source[] {
    const { from, to } = state.window;
    const known = new Map<Geometry, Columns>();
    const columnsOf = (geometry: Geometry): Columns => {
      let found = known.get(geometry);
      if (!found) known.set(geometry, (found = columns(geometry, from, to, this.width)));
      return found;
    };
    return ({ view, row }) => {
      const kept = view === pathView ? null : this.cache.get(view, row.id);
      const out: Source[] = [];
      for (const pixels of kept ? [kept.fine, kept.coarse] : [this.path?.pixels(row.id)])
        if (pixels) out.push({ row: pixels, columns: columnsOf(pixels.geometry) });
      return out;
    };
  }

  private paint(state: State): void {
    if (!this.image) return;
    const { words } = this;
    words.fill(pack(this.scheme.gap));
    const surface = { pixels: words, width: this.width, height: this.height };
    const sourcesOf = this.sources(state);
    for (const lane of this.ordered()) {
      if (lane.kind !== 'row' || lane.row.kind === 'group') {
        this.blank(surface, lane);
        continue;
      }
      const table = this.table(lane.view, lane.row.machine, state);
      styleColumns(sourcesOf(lane), table, this.width, this.styles);
      const gap = lane.height > 8 ? 2 : lane.height > 4 ? 1 : 0;
      paintLane(surface, this.laneTop(lane), lane.height - gap, this.styles, table);
    }
    this.base.getContext('2d', { alpha: false })?.putImageData(this.image, 0, 0);
  }

  /** Lanes in the order of painting: what is pinned last, over what scrolls beneath it. */
  private ordered(): Lane[] {
    const lanes = this.visible();
    return [...lanes.filter((lane) => !lane.fixed), ...lanes.filter((lane) => lane.fixed)];
  }

  private blank(surface: { pixels: Uint32Array; width: number; height: number }, lane: Lane): void {
    const top = Math.max(0, this.laneTop(lane));
    const end = Math.min(surface.height, this.laneTop(lane) + lane.height);
    if (end > top)
      surface.pixels.fill(pack(this.scheme.gap), top * surface.width, end * surface.width);
  }

  private table(view: string, machine: string, state: State): StyleTable {
    const layers = this.layersOf(view);
    const sizes = layers.map((layer) => this.cache.layerNames(layer).list.length);
    const faded = view !== 'fused' && state.machine !== null && state.machine !== machine;
    const slot = `${view}/${faded}`;
    const key = `${sizes.join()}/${this.scheme.dark}/${state.machine ?? ''}/${this.wanted.join()}`;
    const kept = this.tables.get(slot);
    if (kept && kept.key === key) return kept.table;
    const table = buildTable(sizes, this.scheme, (codes) =>
      this.style(view, layers, codes, faded, state),
    );
    this.tables.set(slot, { key, table, layers });
    return table;
  }

  private style(
    view: string,
    layers: string[],
    codes: number[],
    faded: boolean,
    state: State,
  ): Style | null {
    const name = (layer: string): string => {
      const at = layers.indexOf(layer);
      return at < 0 ? '' : (this.cache.layerNames(layer).list[codes[at] as number] ?? '');
    };
    if (view === 'fused') {
      const machine = name('machine');
      if (!machine && !name('state')) return null;
      const machines = state.experiment?.machines ?? [];
      const fill = fusedFill(
        machineColour(machine, machines, this.scheme),
        name('condition'),
        name('state'),
        this.scheme,
      );
      const other = state.machine !== null && state.machine !== machine;
      const names = [name('condition'), name('state')];
      return {
        upper: other || !this.isWanted(names) ? fade(fill, this.scheme) : fill,
        lower: null,
      };
    }
    const belief = name('state') || name(layers[0] ?? '');
    const truth = layers.includes('effective') ? name('effective') : '';
    if (!belief && !truth) return null;
    const below = stateFill(belief || truth, this.scheme);
    const shown =
      truth === 'deprived' || (truth === 'hypervisor' && belief !== 'blocked')
        ? stateFill(truth, this.scheme)
        : below;
    const dims = faded || !this.isWanted([belief, truth]);
    const dim = (fill: typeof below) => (dims ? fade(fill, this.scheme) : fill);
    return { upper: dim(shown), lower: shown === below ? null : dim(below) };
  }

  private isWanted(names: string[]): boolean {
    const { wanted } = this;
    return wanted.length === 0 || names.some((name) => name !== '' && wanted.includes(name));
  }

  private overlay(state: State): void {
    const c = this.over.getContext('2d');
    if (!c) return;
    c.clearRect(0, 0, this.width, this.height);
    c.font = '11px system-ui, sans-serif';
    c.textBaseline = 'middle';
    if (state.grid) this.grid(c, state);
    selectedSpan(this, c, state);
    for (const lane of this.visible()) {
      if (lane.kind === 'series') series(this, c, lane.series, this.laneTop(lane), lane.height);
      else if (lane.kind === 'row') this.rowText(c, lane, state);
      else if (lane.kind === 'header') this.headerText(c, lane);
    }
    losses(this, c, state);
    unknownLanes(this, c, state);
    drawArrows(this, c, state);
    cursor(this, c, state);
  }

  private ticks(state: State): { step: number; list: number[] } {
    const span = state.window.to - state.window.from;
    const step = tickStep(span, this.width, 96);
    const list: number[] = [];
    for (
      let at = Math.ceil(state.window.from / step) * step;
      at <= state.window.to && list.length < 200;
      at += step
    )
      list.push(at);
    return { step, list };
  }

  private grid(c: CanvasRenderingContext2D, state: State): void {
    c.fillStyle = this.scheme.dark ? 'rgba(255,255,255,0.05)' : 'rgba(0,0,0,0.06)';
    for (const at of this.ticks(state).list) c.fillRect(Math.round(this.x(at)), 0, 1, this.height);
  }

  private drawRuler(state: State): void {
    const c = this.ruler.getContext('2d');
    if (!c) return;
    c.clearRect(0, 0, this.width, rulerHeight);
    c.font = '11px system-ui, sans-serif';
    c.textBaseline = 'middle';
    const { step, list } = this.ticks(state);
    for (const at of list) {
      const x = Math.round(this.x(at));
      c.fillStyle = this.scheme.line;
      c.fillRect(x, rulerHeight - 7, 1, 7);
      c.fillStyle = this.scheme.muted;
      const words = `${formatRel(at, step)} s`;
      if (x + 4 + c.measureText(words).width > this.width) continue;
      c.fillText(words, x + 4, rulerHeight / 2);
    }
    unknownRuler(this, c, state);
    if (state.range) {
      c.fillStyle = this.scheme.select;
      c.fillRect(
        this.x(state.range.from),
        0,
        this.x(state.range.to) - this.x(state.range.from),
        rulerHeight,
      );
    }
    if (this.drag?.zoom) {
      c.fillStyle = this.scheme.accent;
      c.fillRect(
        Math.min(this.drag.from, this.drag.to),
        rulerHeight - 4,
        Math.abs(this.drag.to - this.drag.from),
        4,
      );
    }
    bookmarks(this, c, state);
    ['A', 'B'].forEach((name, index) => {
      const mark = state.measure[index];
      if (mark === null || mark === undefined) return;
      const x = this.x(mark);
      c.fillStyle = this.scheme.mark;
      c.fillRect(x, 0, 1, rulerHeight);
      c.fillText(name, x + 3, 7);
    });
  }

  /** Runs of one style along a lane, for text and for the vector picture. */
  runs(lane: RowLane, state: State): Array<{ from: number; to: number; combo: number }> {
    const table = this.table(lane.view, lane.row.machine, state);
    styleColumns(this.sources(state)(lane), table, this.width, this.styles);
    const out: Array<{ from: number; to: number; combo: number }> = [];
    for (let x = 0; x < this.width; ++x) {
      const combo = comboOfStyle(this.styles[x] as number);
      const last = out[out.length - 1];
      if (last && last.combo === combo) last.to = x + 1;
      else out.push({ from: x, to: x + 1, combo });
    }
    return out;
  }

  comboNames(view: string, combo: number): string[] {
    const layers = this.layersOf(view);
    const sizes = layers.map((layer) => this.cache.layerNames(layer).list.length);
    const names: string[] = [];
    for (let layer = layers.length - 1; layer >= 0; --layer) {
      const size = sizes[layer] as number;
      names[layer] = this.cache.layerNames(layers[layer] ?? '').list[combo % size] ?? '';
      combo = Math.floor(combo / size);
    }
    return names;
  }

  styleNames(view: string, combo: number, machine: string, state: State): Style | null {
    const layers = this.layersOf(view);
    const codes: number[] = [];
    for (let layer = layers.length - 1; layer >= 0; --layer) {
      const size = this.cache.layerNames(layers[layer] ?? '').list.length;
      codes[layer] = combo % size;
      combo = Math.floor(combo / size);
    }
    return this.style(
      view,
      layers,
      codes,
      view !== 'fused' && state.machine !== null && state.machine !== machine,
      state,
    );
  }

  /** What a view shows, beside its name. */
  private headerText(c: CanvasRenderingContext2D, lane: Lane & { kind: 'header' }): void {
    c.fillStyle = this.scheme.muted;
    const middle = this.laneTop(lane) + lane.height / 2;
    c.fillText(fitting(c, lane.description, this.width - 16), 8, middle);
  }

  private rowText(c: CanvasRenderingContext2D, lane: RowLane, state: State): void {
    if (lane.height < 15 || lane.row.kind === 'group' || this.visible().length > 60) return;
    const top = this.laneTop(lane);
    const runs = this.runs(lane, state);
    if (runs.length > 120) return;
    for (const run of runs) {
      if (run.to - run.from < 64 || run.combo === 0) continue;
      const names = this.comboNames(lane.view, run.combo);
      const fused = lane.view === 'fused';
      const text = fused
        ? names[2] === 'idle'
          ? ''
          : namesOf(names)
        : labelOf(names, this.layersOf(lane.view));
      if (!text) continue;
      const fill = this.styleNames(lane.view, run.combo, lane.row.machine, state)?.upper;
      if (!fill) continue;
      c.save();
      c.beginPath();
      c.rect(run.from + 2, top, run.to - run.from - 4, lane.height);
      c.clip();
      const wide = c.measureText(text).width;
      if (fill.pattern !== 'solid') {
        c.fillStyle = css(fill.base);
        c.fillRect(run.from + 4, top + 2, wide + 6, lane.height - 6);
      }
      c.fillStyle = css(textOn(fill.base));
      c.fillText(text, run.from + 7, top + (lane.height - 2) / 2 + 0.5);
      c.restore();
    }
  }
}

/** What is a pixel wide can be pointed at from here. */
const nearPx = 2;

function distance(run: { from: number; to: number }, x: number): number {
  return Math.max(0, run.from - x, x - run.to);
}

/** As much of a text as fits, and dots where that is not all of it. */
function fitting(c: CanvasRenderingContext2D, words: string, width: number): string {
  const wide = c.measureText(words).width;
  if (wide <= width) return words;
  return `${words.slice(0, Math.max(0, Math.floor((words.length * width) / wide) - 2))}…`;
}

/** Machine, condition and state of a fused lane; the host's own time is not called that twice. */
export function namesOf(names: string[]): string {
  return [...new Set(names.filter(Boolean))].join(' · ');
}

/** One word for a lane's state: the host's truth where it contradicts the guest's belief. */
export function labelOf(names: string[], layers: string[]): string {
  const state = names[layers.indexOf('state')] ?? names[0] ?? '';
  const truth = names[layers.indexOf('effective')] ?? '';
  if (truth && isStolen(truth)) return `${truth}, believes ${state}`;
  if (state === 'blocked' || state === 'halted' || state === 'off' || state === 'exited') return '';
  return state || truth;
}

export function describeSpan(from: number, to: number): string {
  return `${formatRel(from)} – ${formatRel(to)} s, Δ ${formatDuration(to - from)}`;
}

export { seriesView };
