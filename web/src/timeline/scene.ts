// Draws the timeline: lanes as pixels (paint.ts), and above them what is thin or short-lived: grid,
// text, arrows, losses, selection, cursor. One frame per change, none when nothing changes.

import type { Arrow, Row } from '../api';
import { store, type State } from '../store';
import { formatDuration, formatRel, tickStep } from '../time';
import { StatesCache } from './data';
import { type Lane, type Layout, pathView, seriesView } from './lanes';
import { labelOf, Looks, type RowLane, type Run, type RunLength, runsOf } from './looks';
import {
  beyond,
  type Columns,
  columns,
  paintLane,
  type Geometry,
  type RowPixels,
  type Source,
  styleColumns,
} from './paint';
import { css, darkScheme, pack, rulerHeight, type Scheme, textOn } from './palette';
import { schemeOf } from './theme';
import {
  bookmarks,
  cursor,
  drawArrows,
  losses,
  periodMarks,
  rulerLosses,
  selectedSpan,
  series,
} from './overlay';
import { unknownLanes, unknownRuler } from './unknown';

export const frames: number[] = [];

interface PathRows {
  pixels: (id: number) => RowPixels | null;
}

export class Scene {
  readonly cache = new StatesCache(() => this.invalidate());
  readonly looks = new Looks(this.cache, (view) => this.layersOf(view), darkScheme);
  layout: Layout = { lanes: [], fixedHeight: 0, height: 0 };
  width = 1;
  height = 1;
  scroll = 0;
  hover: { x: number; y: number } | null = null;
  drag: { from: number; to: number; zoom: boolean } | null = null;
  arrows: Array<Arrow & { view: string }> = [];
  path: PathRows | null = null;
  onFrame: (() => void) | null = null;
  private image: ImageData | null = null;
  private words = new Uint32Array(0);
  private styles = new Uint32Array(0);
  private queued = false;
  private seen: { layout: Layout | null; scroll: number; height: number; lanes: Lane[] } = {
    ...{ layout: null, scroll: 0, height: 0, lanes: [] },
  };

  constructor(
    readonly base: HTMLCanvasElement,
    readonly over: HTMLCanvasElement,
    readonly ruler: HTMLCanvasElement,
  ) {}

  get scheme(): Scheme {
    return this.looks.scheme;
  }

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
    return near ? this.looks.comboNames(lane.view, near.combo) : [];
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
    this.looks.scheme = schemeOf(state.theme, state.colours);
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
      const table = this.looks.table(lane, state);
      const sources = sourcesOf(lane);
      styleColumns(sources, table, this.width, this.styles);
      this.looks.mark(lane, state, this.styles, this.width, this.lengthOf(sources, state));
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

  private overlay(state: State): void {
    const c = this.over.getContext('2d');
    if (!c) return;
    c.clearRect(0, 0, this.width, this.height);
    c.font = '11px system-ui, sans-serif';
    c.textBaseline = 'middle';
    if (state.grid) this.grid(c, state);
    periodMarks(this, c, state);
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
    rulerLosses(this, c, state);
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
  runs(lane: RowLane, state: State): Run[] {
    const sources = this.sources(state)(lane);
    styleColumns(sources, this.looks.table(lane, state), this.width, this.styles);
    return runsOf(this.styles, this.width, this.lengthOf(sources, state));
  }

  /** How long what is drawn lasts, also where it goes on beyond the window. */
  private lengthOf(sources: Source[], state: State): RunLength {
    const { from, to } = state.window;
    const ns = (to - from) / this.width;
    const more = (at: number, step: 1 | -1, combo: number): number => {
      for (const { row } of sources)
        if (row.styled && row.geometry.from <= from && row.geometry.to >= to)
          return beyond(row, row.styled.styles, at, step, combo, state.limit);
      return 0;
    };
    return (first, end, combo) =>
      (end - first) * ns +
      (first === 0 ? more(from, -1, combo) : 0) +
      (end === this.width ? more(to, 1, combo) : 0);
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
      const names = this.looks.comboNames(lane.view, run.combo);
      const fused = lane.view === 'fused';
      const text = fused
        ? names[2] === 'idle'
          ? ''
          : namesOf(names)
        : labelOf(names, this.layersOf(lane.view));
      if (!text) continue;
      const fill = this.looks.styleOf(lane, run, state)?.upper;
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

export function describeSpan(from: number, to: number): string {
  return `${formatRel(from)} – ${formatRel(to)} s, Δ ${formatDuration(to - from)}`;
}

export { seriesView };
