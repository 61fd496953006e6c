// What lies over the lanes' pixels: series, losses, arrows, the selection, the cursor, marks, and
// how far clocks may be off.

import type { Loss, Row, Series } from '../api';
import { store, type State } from '../store';
import { toRel } from '../time';
import { sameRow } from './rows';
import { css, machineColour, rulerHeight, safeColour } from './palette';
import type { Scene } from './scene';

/** Whether a loss hides what a row would have shown. */
export function blinds(loss: Loss, row: Row): boolean {
  if (row.kind === 'group' || row.machine !== loss.machine) return false;
  return row.kind !== 'pcpu' || loss.cpu === null || row.cpu === loss.cpu;
}

export function series(
  scene: Scene,
  c: CanvasRenderingContext2D,
  series: Series,
  top: number,
  height: number,
): void {
  const values = series.y.filter((value): value is number => value !== null);
  const most = Math.max(1e-9, ...values);
  const colour = css(
    machineColour(series.machine, store.get().experiment?.machines ?? [], scene.scheme),
  );
  c.save();
  c.beginPath();
  c.rect(0, Math.max(top, scene.layout.fixedHeight), scene.width, height);
  c.clip();
  const bottom = top + height - 4;
  const y = (value: number): number => bottom - (value / most) * (height - 16);
  c.strokeStyle = colour;
  c.lineWidth = 1.5;
  c.beginPath();
  let open = false;
  series.x.forEach((time, index) => {
    const value = series.y[index];
    if (value === null || value === undefined) {
      open = false;
      return;
    }
    const x = scene.x(toRel(time));
    if (open) c.lineTo(x, y(value));
    else c.moveTo(x, y(value));
    open = true;
  });
  c.stroke();
  c.fillStyle = scene.scheme.muted;
  c.fillText(`${amountText(most)} ${series.unit}`, 6, top + 8);
  const here = scene.hover ? scene.time(scene.hover.x) : store.get().time;
  const value = here === null ? null : valueAt(series, here);
  if (here !== null && value !== null) {
    c.fillStyle = scene.scheme.text;
    const words = `${amountText(value)} ${series.unit}`;
    const x = scene.x(here) + 6;
    const wide = c.measureText(words).width;
    c.fillText(words, x + wide > scene.width ? x - wide - 12 : x, top + 8);
  }
  c.fillStyle = scene.scheme.line;
  c.fillRect(0, bottom, scene.width, 1);
  c.restore();
}

/** Three digits, without an exponent: 0.0123, 44.6, 2,440. */
export function amountText(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(6, digits) });
}

/** The value of the point next to a time; null outside of the series and where it has none. */
function valueAt(series: Series, time: number): number | null {
  const { x, y } = series;
  if (x.length < 2) return null;
  const first = toRel(x[0] as string);
  const step = (toRel(x[x.length - 1] as string) - first) / (x.length - 1);
  return y[Math.round((time - first) / step)] ?? null;
}

/** Marks that come again and again; left out where they would stand less than this apart, px. */
const leastApart = 5;

export function periodMarks(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  const { period, window } = state;
  if (!period) return;
  const { every, from } = period;
  const apart = (every / (window.to - window.from)) * scene.width;
  if (apart < leastApart) return;
  c.fillStyle = scene.scheme.mark;
  const first = Math.max(0, Math.ceil((window.from - from) / every));
  for (let i = first; from + i * every <= window.to; ++i) {
    const x = Math.round(scene.x(from + i * every));
    for (let y = 0; y < scene.height; y += 6) c.fillRect(x, y, 1, 2);
    if (apart > 40) c.fillText(String(i), x + 3, 8);
  }
}

/** Spans in which events are missing: hatched over the rows that they blind, never hidden. */
export function losses(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  for (const loss of state.marks.losses) {
    const from = scene.x(toRel(loss.ts_ns));
    const to = Math.max(
      from + 2,
      from + (Number(loss.dur_ns) / (state.window.to - state.window.from)) * scene.width,
    );
    if (to < 0 || from > scene.width) continue;
    for (const lane of scene.visible()) {
      if (lane.kind === 'row' && blinds(loss, lane.row))
        hatch(scene, c, from, to, scene.laneTop(lane), lane.height);
    }
  }
}

/** The same on the ruler, where losses also show that blind no row. */
export function rulerLosses(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  c.fillStyle = scene.scheme.muted;
  let last = -1;
  for (const loss of state.marks.losses) {
    const from = toRel(loss.ts_ns);
    const left = Math.max(0, Math.floor(scene.x(from)));
    const right = Math.min(scene.width, Math.ceil(scene.x(from + Number(loss.dur_ns))));
    // Many losses may fall into one pixel.
    if (right < 0 || left > scene.width || right <= last) continue;
    for (let x = left - (left % 3); x <= right; x += 3) c.fillRect(x, rulerHeight - 3, 2, 3);
    last = right;
  }
}

function hatch(
  scene: Scene,
  c: CanvasRenderingContext2D,
  from: number,
  to: number,
  top: number,
  height: number,
): void {
  c.save();
  c.beginPath();
  c.rect(Math.max(0, from), top, Math.min(scene.width, to) - Math.max(0, from), height);
  c.clip();
  c.fillStyle = scene.scheme.dark ? 'rgba(14,17,22,0.6)' : 'rgba(255,255,255,0.65)';
  c.fillRect(from, top, to - from, height);
  c.strokeStyle = scene.scheme.muted;
  c.beginPath();
  for (let x = Math.max(from, 0) - height; x < Math.min(to, scene.width); x += 7) {
    c.moveTo(x, top + height);
    c.lineTo(x + height, top);
  }
  c.stroke();
  c.restore();
}

/** Flags at the foot of the ruler, each as long as what it marks. */
export function bookmarks(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  for (const one of state.bookmarks) {
    const from = scene.x(toRel(one.from_ns));
    const to = scene.x(toRel(one.to_ns));
    if (to < 0 || from > scene.width) continue;
    c.fillStyle = safeColour(one.colour);
    c.fillRect(from, rulerHeight - 4, Math.max(2, to - from), 4);
    c.beginPath();
    c.moveTo(from, rulerHeight);
    c.lineTo(from, rulerHeight - 14);
    c.lineTo(from + 9, rulerHeight - 10);
    c.lineTo(from, rulerHeight - 6);
    c.fill();
  }
}

export function drawArrows(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  if (!state.arrows) return;
  const middle = new Map<string, number>();
  for (const lane of scene.visible())
    if (lane.kind === 'row')
      middle.set(`${lane.view}.${lane.row.id}`, scene.laneTop(lane) + lane.height / 2 - 1);
  const colours = {
    wakeup: scene.scheme.dark ? '#f0e442' : '#7a6a00',
    preempt: '#e8590c',
    migrate: scene.scheme.muted,
  };
  for (const arrow of scene.arrows) {
    const y0 = middle.get(`${arrow.view}.${arrow.from_row}`);
    const y1 = middle.get(`${arrow.view}.${arrow.to_row}`);
    if (y0 === undefined || y1 === undefined || y0 === y1) continue;
    const x0 = scene.x(toRel(arrow.from_ns));
    const x1 = scene.x(toRel(arrow.to_ns));
    if (Math.max(x0, x1) < 0 || Math.min(x0, x1) > scene.width) continue;
    c.strokeStyle = c.fillStyle = colours[arrow.kind] ?? scene.scheme.muted;
    c.setLineDash(arrow.kind === 'wakeup' ? [4, 3] : []);
    c.lineWidth = 1.3;
    c.beginPath();
    c.moveTo(x0, y0);
    c.lineTo(x1, y1);
    c.stroke();
    c.setLineDash([]);
    const angle = Math.atan2(y1 - y0, x1 - x0);
    c.beginPath();
    c.moveTo(x1, y1);
    c.lineTo(x1 - 8 * Math.cos(angle - 0.4), y1 - 8 * Math.sin(angle - 0.4));
    c.lineTo(x1 - 8 * Math.cos(angle + 0.4), y1 - 8 * Math.sin(angle + 0.4));
    c.fill();
  }
}

/** The selected span, beneath what is written on the lanes. */
export function selectedSpan(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  const { drag } = scene;
  const marked = drag && !drag.zoom ? [drag.from, drag.to] : null;
  const ends = state.range && [scene.x(state.range.from), scene.x(state.range.to)];
  const [one, other] = marked ?? ends ?? [];
  if (one === undefined || other === undefined) return;
  const [from, to] = [Math.min(one, other), Math.max(one, other)];
  c.fillStyle = scene.scheme.select;
  c.fillRect(from, 0, Math.max(1, to - from), scene.height);
  c.fillStyle = scene.scheme.accent;
  c.fillRect(from, 0, 1, scene.height);
  c.fillRect(to, 0, 1, scene.height);
}

/** The selected row, the moment with the bound of its clock, the marks and the pointer. */
export function cursor(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  for (const lane of scene.visible()) {
    if (lane.kind !== 'row' || !sameRow({ view: lane.view, id: lane.row.id }, state.row)) continue;
    c.strokeStyle = scene.scheme.accent;
    c.lineWidth = 1.5;
    c.strokeRect(0.5, scene.laneTop(lane) - 0.5, scene.width - 1, lane.height);
  }
  if (state.time !== null) {
    clockBand(scene, c, state, state.time);
    c.fillStyle = scene.scheme.text;
    c.fillRect(Math.round(scene.x(state.time)), 0, 1.5, scene.height);
  }
  for (const mark of state.measure) {
    if (mark === null) continue;
    c.fillStyle = scene.scheme.mark;
    c.fillRect(Math.round(scene.x(mark)), 0, 1, scene.height);
  }
  if (scene.hover) {
    c.fillStyle = scene.scheme.muted;
    c.fillRect(scene.hover.x, 0, 1, scene.height);
  }
}

/** How far the clock of a row's machine may be off, around the selected moment. */
function clockBand(scene: Scene, c: CanvasRenderingContext2D, state: State, time: number): void {
  for (const clock of state.marks.clocks) {
    const error = Number(clock.error_ns ?? 0);
    const half = (error / (state.window.to - state.window.from)) * scene.width;
    if (half < 1) continue;
    c.fillStyle = scene.scheme.dark ? 'rgba(255,209,102,0.25)' : 'rgba(138,75,0,0.2)';
    for (const lane of scene.visible()) {
      if (lane.kind === 'row' && lane.row.machine === clock.machine)
        c.fillRect(scene.x(time) - half, scene.laneTop(lane), 2 * half, lane.height);
    }
  }
}
