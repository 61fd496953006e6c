// What pointer and wheel do on the lanes and on the ruler.

import { useEffect } from 'preact/hooks';
import { actions, type RowRef, store } from '../store';
import { panSpan, type Span, wholeSpan, zoomSpan } from '../time';
import { refOf } from './lanes';
import type { Scene } from './scene';

export const lowestRow = 4;
export const highestRow = 48;

export function scaleRows(factor: number): void {
  const height = Math.round(store.get().rowHeight * factor);
  store.set({ rowHeight: Math.max(lowestRow, Math.min(highestRow, height)) });
}

export function useWheel(box: { current: HTMLDivElement | null }, scene: Scene | null): void {
  useEffect(() => {
    const element = box.current;
    if (!element || !scene) return undefined;
    let before: Span | null = null;
    let timer: ReturnType<typeof setTimeout> | null = null;
    const settle = (): void => {
      if (before) actions.recordFrom(before);
      before = null;
    };
    const wheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY))
        return;
      event.preventDefault();
      if (event.ctrlKey && event.shiftKey) return scaleRows(event.deltaY < 0 ? 1.25 : 0.8);
      const { window, limit } = store.get();
      before ??= window;
      if (timer) clearTimeout(timer);
      timer = setTimeout(settle, 300);
      const delta = event.deltaY || event.deltaX;
      if (event.ctrlKey) {
        const x = event.clientX - scene.over.getBoundingClientRect().left;
        actions.show(
          zoomSpan(
            window,
            scene.time(x),
            Math.exp(Math.max(-1, Math.min(1, delta * 0.0025))),
            limit,
          ),
          false,
        );
      } else
        actions.show(
          panSpan(window, ((delta / 8) * (window.to - window.from)) / 120, limit),
          false,
        );
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => element.removeEventListener('wheel', wheel);
  }, [scene]);
}

/**
 * Left: select; middle, or with Ctrl: move; right: zoom to what is marked. Shift+click extends the
 * selection.
 */
export function dragLanes(scene: Scene, event: PointerEvent): void {
  const target = event.currentTarget as HTMLElement;
  const left = target.getBoundingClientRect().left;
  const start = event.clientX - left;
  const y = event.clientY - target.getBoundingClientRect().top;
  const before = store.get().window;
  const moves = event.button === 1 || event.ctrlKey;
  const zooms = event.button === 2;
  target.setPointerCapture(event.pointerId);
  if (event.button === 1) event.preventDefault();
  const move = (next: PointerEvent): void => {
    const x = next.clientX - left;
    if (moves)
      actions.show(
        panSpan(before, ((start - x) / scene.width) * (before.to - before.from), store.get().limit),
        false,
      );
    else if (Math.abs(x - start) > 3) scene.drag = { from: start, to: x, zoom: false };
    scene.invalidate();
  };
  const up = (next: PointerEvent): void => {
    target.removeEventListener('pointermove', move);
    const x = next.clientX - left;
    scene.drag = null;
    const marked = wholeSpan(scene.time(Math.min(start, x)), scene.time(Math.max(start, x)));
    if (moves) actions.recordFrom(before);
    else if (Math.abs(x - start) > 3) {
      if (zooms) actions.show(marked);
      else store.set({ range: marked, time: Math.round(scene.time(start)), ...rowAt(scene, y) });
    } else click(scene, x, y, next.shiftKey);
    scene.invalidate();
  };
  target.addEventListener('pointermove', move);
  target.addEventListener('pointerup', up, { once: true });
}

function rowAt(scene: Scene, y: number): { row?: RowRef } {
  const lane = scene.laneAt(y);
  return lane?.kind === 'row' ? { row: refOf(lane) } : {};
}

function click(scene: Scene, x: number, y: number, extend: boolean): void {
  const time = Math.round(scene.time(x));
  const { time: from } = store.get();
  if (extend && from !== null)
    store.set({ range: { from: Math.min(from, time), to: Math.max(from, time) } });
  else store.set({ time, range: null, ...rowAt(scene, y) });
}

export function dragRuler(scene: Scene, event: PointerEvent): void {
  const target = event.currentTarget as HTMLElement;
  const left = target.getBoundingClientRect().left;
  const start = event.clientX - left;
  target.setPointerCapture(event.pointerId);
  const move = (next: PointerEvent): void => {
    scene.drag = { from: start, to: next.clientX - left, zoom: true };
    scene.invalidate();
  };
  target.addEventListener('pointermove', move);
  target.addEventListener(
    'pointerup',
    (next) => {
      target.removeEventListener('pointermove', move);
      scene.drag = null;
      const x = next.clientX - left;
      if (Math.abs(x - start) > 4)
        actions.show({ from: scene.time(Math.min(start, x)), to: scene.time(Math.max(start, x)) });
      scene.invalidate();
    },
    { once: true },
  );
}
