// What has not been analysed yet, over the lanes, the ruler and the minimap: hatched, so that it is
// neither idle nor empty, and the other way round than losses, which it covers.

import type { Row } from '../api';
import type { State } from '../store';
import { toRel } from '../time';
import { pathView } from './lanes';
import { css, rulerHeight } from './palette';
import type { Scene } from './scene';

const tile = 8;

const hatches = new Map<string, CanvasPattern | string>();

function hatch(c: CanvasRenderingContext2D, colour: string): CanvasPattern | string {
  const known = hatches.get(colour) ?? newHatch(c, colour);
  hatches.set(colour, known);
  return known;
}

function newHatch(c: CanvasRenderingContext2D, colour: string): CanvasPattern | string {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = tile;
  const t = canvas.getContext('2d');
  if (!t) return colour;
  t.strokeStyle = colour;
  t.lineWidth = 1;
  t.beginPath();
  for (const at of [-tile, 0, tile]) {
    t.moveTo(at, 0);
    t.lineTo(at + tile, tile);
  }
  t.stroke();
  return c.createPattern(canvas, 'repeat') ?? colour;
}

/** Up to when all rows are known; null when the analysis is complete. */
export function knownUntil({ experiment }: State): number | null {
  const until = experiment?.shown?.until_ns;
  return until && !experiment.shown?.complete ? toRel(until) : null;
}

/** From when on a row is not known yet; its last state may go on there. */
function openFrom(row: Row): number {
  return toRel(row.end_ns);
}

export function unknownLanes(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  const until = knownUntil(state);
  if (until === null) return;
  const right = Math.min(scene.width, scene.x(state.limit.to));
  c.save();
  c.beginPath();
  for (const lane of scene.visible()) {
    if ((lane.kind !== 'row' && lane.kind !== 'series') || lane.view === pathView) continue;
    if (lane.kind === 'row' && lane.row.kind === 'group') continue;
    const from = lane.kind === 'row' ? openFrom(lane.row) : until;
    const left = Math.max(0, scene.x(from));
    const top = Math.max(scene.laneTop(lane), lane.fixed ? 0 : scene.layout.fixedHeight);
    const bottom = scene.laneTop(lane) + lane.height - 1;
    if (left < right && top < bottom) c.rect(left, top, right - left, bottom - top);
  }
  c.fillStyle = css(scene.scheme.background);
  c.fill();
  c.fillStyle = hatch(c, scene.scheme.muted);
  c.globalAlpha = 0.35;
  c.fill();
  c.restore();
}

const words = 'not analysed yet';

export function unknownRuler(scene: Scene, c: CanvasRenderingContext2D, state: State): void {
  const until = knownUntil(state);
  if (until === null) return;
  const left = Math.max(0, scene.x(until));
  const right = Math.min(scene.width, scene.x(state.limit.to));
  if (left >= right) return;
  c.save();
  c.fillStyle = hatch(c, scene.scheme.muted);
  c.globalAlpha = 0.5;
  c.fillRect(left, 0, right - left, rulerHeight);
  c.globalAlpha = 1;
  const wide = c.measureText(words).width;
  if (right - left > wide + 12) {
    c.fillStyle = css(scene.scheme.background);
    c.fillRect(right - wide - 10, 4, wide + 8, rulerHeight - 8);
    c.fillStyle = scene.scheme.text;
    c.fillText(words, right - wide - 6, rulerHeight / 2);
  }
  c.restore();
}

export function unknownMinimap(
  scene: Scene,
  c: CanvasRenderingContext2D,
  state: State,
  height: number,
): void {
  const until = knownUntil(state);
  if (until === null) return;
  const left = (until / state.limit.to) * scene.width;
  c.save();
  c.fillStyle = hatch(c, scene.scheme.muted);
  c.globalAlpha = 0.5;
  c.fillRect(left, 0, scene.width - left, height);
  c.restore();
}
