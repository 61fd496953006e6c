// The whole experiment above the timeline: one thin line per pCPU, with the visible window as a
// frame to move and resize.

import { useEffect, useRef } from 'preact/hooks';
import { actions, store } from '../store';
import { clampSpan, toRel } from '../time';
import { css, fusedFill, machineColour, type Scheme } from './palette';
import type { Scene } from './scene';
import { unknownMinimap } from './unknown';

const height = 34;

function draw(canvas: HTMLCanvasElement, scene: Scene): void {
  const c = canvas.getContext('2d');
  if (!c) return;
  const { width } = scene;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const state = store.get();
  c.fillStyle = css(scene.scheme.background);
  c.fillRect(0, 0, width, height);
  const machines = state.experiment?.machines ?? [];
  const rows = (state.rows['fused'] ?? []).filter((row) => row.kind === 'pcpu').slice(0, 16);
  const tall = Math.max(1, Math.floor(height / Math.max(1, rows.length)));
  const names = ['machine', 'condition', 'state'].map(
    (layer) => scene.cache.layerNames(layer).list,
  );
  const known = new Map<string, string>();
  const colour = (machine: string, condition: string, what: string): string => {
    const key = `${machine}/${condition}/${what}`;
    let found = known.get(key);
    if (found === undefined) {
      const own = machineColour(machine, machines, scene.scheme);
      known.set(key, (found = css(fusedFill(own, condition, what, scene.scheme).base)));
    }
    return found;
  };
  rows.forEach((row, index) => {
    const coarse = scene.cache.get('fused', row.id)?.coarse;
    if (!coarse) return;
    const value = (layer: number, at: number): string =>
      names[layer]?.[coarse.codes[layer]?.[at] ?? 0] ?? '';
    for (let x = 0; x < width; ++x) {
      const at = Math.floor(((x + 0.5) / width) * coarse.geometry.pixels);
      const machine = value(0, at);
      if (!machine || value(2, at) === 'idle') continue;
      c.fillStyle = colour(machine, value(1, at), value(2, at));
      c.fillRect(x, index * tall, 1, tall - (tall > 3 ? 1 : 0));
    }
  });
  unknownMinimap(scene, c, state, height);
  for (const loss of state.marks.losses) {
    c.fillStyle = scene.scheme.muted;
    c.fillRect(
      (toRel(loss.ts_ns) / state.limit.to) * width,
      0,
      Math.max(2, (Number(loss.dur_ns) / state.limit.to) * width),
      3,
    );
  }
}

function frameOf(width: number): { left: number; right: number } {
  const { window, limit } = store.get();
  const scale = width / (limit.to - limit.from);
  return { left: (window.from - limit.from) * scale, right: (window.to - limit.from) * scale };
}

export function Minimap({ scene }: { scene: Scene | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!scene) return;
    let drawn: { key: string; scheme: Scheme | null } = { key: '', scheme: null };
    scene.onFrame = () => {
      const state = store.get();
      const fused = state.rows['fused'] ?? [];
      const key = [
        scene.width,
        ...fused.map((row) => scene.cache.get('fused', row.id)?.coarse?.part),
        state.experiment?.shown?.number,
        state.marks.losses.length,
      ].join();
      if (canvas.current && (key !== drawn.key || scene.scheme !== drawn.scheme)) {
        drawn = { key, scheme: scene.scheme };
        draw(canvas.current, scene);
      }
      const { left, right } = frameOf(scene.width);
      if (frame.current)
        Object.assign(frame.current.style, {
          left: `${left}px`,
          width: `${Math.max(3, right - left)}px`,
        });
    };
    scene.invalidate();
  }, [scene]);

  function drag(event: PointerEvent): void {
    if (!scene) return;
    const target = event.currentTarget as HTMLElement;
    const left = target.getBoundingClientRect().left;
    const { window: before, limit } = store.get();
    const scale = (limit.to - limit.from) / scene.width;
    const start = event.clientX - left;
    const edge = frameOf(scene.width);
    const part =
      Math.abs(start - edge.left) < 6
        ? 'left'
        : Math.abs(start - edge.right) < 6
          ? 'right'
          : 'move';
    const inside = start > edge.left && start < edge.right;
    const length = before.to - before.from;
    const origin =
      inside || part !== 'move'
        ? before
        : clampSpan({ from: start * scale - length / 2, to: start * scale + length / 2 }, limit);
    target.setPointerCapture(event.pointerId);
    const move = (next: PointerEvent): void => {
      const delta = (next.clientX - left - start) * scale;
      if (part === 'left')
        actions.show(
          { from: Math.min(before.from + delta, before.to - 1000), to: before.to },
          false,
        );
      else if (part === 'right')
        actions.show(
          { from: before.from, to: Math.max(before.to + delta, before.from + 1000) },
          false,
        );
      else actions.show({ from: origin.from + delta, to: origin.to + delta }, false);
    };
    move(event);
    target.addEventListener('pointermove', move);
    target.addEventListener(
      'pointerup',
      () => {
        target.removeEventListener('pointermove', move);
        actions.recordFrom(before);
      },
      { once: true },
    );
  }

  return (
    <div
      class="minimap"
      style={{ height: `${height}px` }}
      onPointerDown={drag}
      onDblClick={() => actions.showAll()}
      title="The whole trace: move or resize the frame; double click shows all"
      aria-hidden="true"
    >
      <canvas ref={canvas} />
      <div class="frame" ref={frame} />
    </div>
  );
}
