// The timeline's frame: toolbar, ruler, labels, canvases, tooltip, status line; and what pointer
// and wheel do.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, type AtAnswer, type Series } from '../api';
import { actions, store, useStore, type RowRef } from '../store';
import {
  formatAbs,
  formatDuration,
  formatRel,
  panSpan,
  toAbs,
  wholeSpan,
  zoomSpan,
  type Span,
} from '../time';
import { type Context, onKey } from './commands';
import { ensureRows } from './data';
import { Labels, rowId } from './Labels';
import { type Lane, layout, pathView, sameRow, seriesView } from './lanes';
import { Minimap } from './Minimap';
import { type CriticalPath, loadPath } from './path';
import { describeSpan, frames, rulerHeight, Scene } from './scene';
import { askTime, Toolbar } from './Toolbar';

const labelWidth = 210;

interface Tip {
  x: number;
  y: number;
  title: string;
  state: string;
  answer: AtAnswer | null;
}

function useCriticalPath(): CriticalPath | null {
  const task = useStore((state) => state.task);
  const [path, setPath] = useState<CriticalPath | null>(null);
  useEffect(() => {
    if (!task) return setPath(null);
    let live = true;
    loadPath(task, store.get().range)
      .then((found) => live && setPath(found))
      .catch((error: Error) => {
        if (live) store.set({ task: null, notice: { kind: 'error', text: error.message } });
      });
    return () => void (live = false);
  }, [task]);
  return path;
}

/** Fetches after the window came to rest; the answer before stays until the new one is there. */
function useSeries(width: number): Series[] {
  const open = useStore((state) => state.openViews.includes(seriesView));
  const window = useStore((state) => state.window);
  const [series, setSeries] = useState<Series[]>([]);
  useEffect(() => {
    if (!open) return setSeries([]);
    const abort = new AbortController();
    const timer = setTimeout(() => {
      api
        .series(
          {
            from_ns: toAbs(window.from),
            to_ns: toAbs(window.to),
            points: Math.max(50, Math.min(1000, Math.floor(width / 2))),
          },
          abort.signal,
        )
        .then(setSeries)
        .catch(
          (error: Error) => error.name !== 'AbortError' && actions.notify(error.message, 'error'),
        );
    }, 120);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [open, window, width]);
  return series;
}

function useArrows(scene: Scene | null, path: CriticalPath | null, lanes: Lane[]): void {
  const window = useStore((state) => state.window);
  const on = useStore((state) => state.arrows);
  const row = useStore((state) => state.row);
  useEffect(() => {
    if (!scene) return undefined;
    scene.arrows = path?.arrows ?? [];
    scene.invalidate();
    if (!on || !row || row.view === pathView) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      const rows = lanes.flatMap((lane) =>
        lane.kind === 'row' && lane.view === row.view && lane.row.kind !== 'group'
          ? [lane.row.id]
          : [],
      );
      api
        .arrows(
          {
            view: row.view,
            rows: rows.slice(0, 400),
            from_ns: toAbs(window.from),
            to_ns: toAbs(window.to),
            limit: 500,
          },
          abort.signal,
        )
        .then((answer) => {
          const own = answer.arrows.filter(
            (arrow) => arrow.from_row === row.id || arrow.to_row === row.id,
          );
          scene.arrows = [
            ...(path?.arrows ?? []),
            ...own.map((arrow) => ({ ...arrow, view: row.view })),
          ];
          scene.invalidate();
        })
        .catch(() => undefined);
    }, 150);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [scene, path, lanes, window, on, row]);
}

export function Timeline() {
  const base = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const ruler = useRef<HTMLCanvasElement>(null);
  const lanesBox = useRef<HTMLDivElement>(null);
  const [scene, setScene] = useState<Scene | null>(null);
  const [tip, setTip] = useState<Tip | null>(null);
  const [size, setSize] = useState({ width: 800, height: 400 });
  const [scroll, setScroll] = useState(0);
  const parts = useStore((state) => state.views);
  const rows = useStore((state) => state.rows);
  const openViews = useStore((state) => state.openViews);
  const collapsed = useStore((state) => state.collapsed);
  const pins = useStore((state) => state.pins);
  const filter = useStore((state) => state.filter);
  const rowHeight = useStore((state) => state.rowHeight);
  const path = useCriticalPath();
  const series = useSeries(size.width);
  const laid = useMemo(
    () =>
      layout({ views: parts, rows, openViews, collapsed, pins, filter, rowHeight }, series, path),
    [parts, rows, openViews, collapsed, pins, filter, rowHeight, series, path],
  );

  useEffect(
    () =>
      ensureRows(
        [...openViews, ...pins.map((pin) => pin.view)].filter((id) =>
          parts.some((view) => view.id === id),
        ),
      ),
    [openViews, pins, parts],
  );

  useLayoutEffect(() => {
    if (!base.current || !over.current || !ruler.current) return;
    const made = new Scene(base.current, over.current, ruler.current);
    setScene(made);
    Object.assign(globalThis, { virtscopeTimeline: { frames, scene: made, store } });
    return store.subscribe(() => made.invalidate());
  }, []);

  useEffect(() => {
    if (!scene || !lanesBox.current) return undefined;
    const box = lanesBox.current;
    const measure = (): void => {
      const next = {
        width: Math.max(50, box.clientWidth - labelWidth),
        height: Math.max(20, box.clientHeight),
      };
      setSize(next);
      scene.resize(next.width, next.height);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    measure();
    return () => observer.disconnect();
  }, [scene]);

  useLayoutEffect(() => {
    if (!scene) return;
    scene.layout = laid;
    scene.scroll = scroll;
    scene.path = path
      ? {
          pixels: (id) =>
            path.pixels(id, store.get().window, scene.width, (label) =>
              scene.cache.layerNames('path').code(label),
            ),
        }
      : null;
    scene.invalidate();
  }, [scene, laid, scroll, path]);

  useArrows(scene, path, laid.lanes);

  const context = useRef<Context | null>(null);
  if (scene) {
    context.current = {
      scene,
      focusFilter: () => document.getElementById('row-filter')?.focus(),
      askTime,
    };
  }

  function scrollTo(row: RowRef): void {
    requestAnimationFrame(() => {
      const box = lanesBox.current;
      const lane = scene?.layout.lanes.find(
        (item) =>
          item.kind === 'row' && !item.fixed && sameRow({ view: item.view, id: item.row.id }, row),
      );
      if (!box || !lane || !scene) return;
      const visible = box.clientHeight - scene.layout.fixedHeight;
      if (lane.top < box.scrollTop + 24) box.scrollTop = Math.max(0, lane.top - 48);
      else if (lane.top + lane.height > box.scrollTop + visible)
        box.scrollTop = lane.top + lane.height - visible + 24;
    });
  }

  // A link or a panel selected a row: bring it onto the screen once its lane is known.
  const row = useStore((state) => state.row);
  const known =
    row !== null &&
    laid.lanes.some(
      (lane) => lane.kind === 'row' && lane.view === row.view && lane.row.id === row.id,
    );
  useEffect(() => {
    if (row && known) scrollTo(row);
  }, [row, known]);

  // A path stands above the views: bring it onto the screen, too.
  useEffect(() => {
    if (path && lanesBox.current) lanesBox.current.scrollTop = 0;
  }, [path]);

  useEffect(() => {
    const handler = (event: KeyboardEvent): void => {
      if (context.current) onKey(context.current, event);
    };
    window.addEventListener('keydown', handler);
    return () => window.removeEventListener('keydown', handler);
  }, []);

  useWheel(lanesBox, scene);
  const tipTimer = useRef<ReturnType<typeof setTimeout> | null>(null);

  function place(event: PointerEvent): { x: number; y: number } {
    const box = over.current?.getBoundingClientRect();
    return { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) };
  }

  function hover(event: PointerEvent): void {
    if (!scene) return;
    const at = place(event);
    scene.hover = at;
    scene.invalidate();
    if (tipTimer.current) clearTimeout(tipTimer.current);
    const lane = scene.laneAt(at.y);
    if (lane?.kind !== 'row' || lane.row.kind === 'group' || event.buttons !== 0)
      return setTip(null);
    const time = scene.time(at.x);
    const state =
      scene.namesAt(lane.view, lane.row.id, time).filter(Boolean).join(' · ') || 'nothing';
    const shown = {
      x: event.clientX,
      y: event.clientY,
      title: `${lane.row.label} ${lane.row.sub}`,
      state,
    };
    setTip({ ...shown, answer: null });
    if (lane.view === pathView) return;
    tipTimer.current = setTimeout(() => {
      api
        .at(lane.view, lane.row.id, toAbs(time))
        .then((answer) => setTip((now) => (now ? { ...shown, answer } : null)))
        .catch(() => undefined);
    }, 140);
  }

  function leave(): void {
    if (tipTimer.current) clearTimeout(tipTimer.current);
    setTip(null);
    if (scene) {
      scene.hover = null;
      scene.invalidate();
    }
  }

  return (
    <main class="timeline" aria-label="Timeline">
      <Toolbar context={context} />
      <Minimap scene={scene} labelWidth={labelWidth} />
      <div class="ruler">
        <RulerInfo />
        <canvas
          ref={ruler}
          class="ruler-canvas"
          style={{ height: `${rulerHeight}px`, width: `${size.width}px` }}
          aria-hidden="true"
          onPointerDown={(event) => scene && dragRuler(scene, event)}
          onDblClick={() => actions.showAll()}
        />
      </div>
      <div
        class="lanes"
        ref={lanesBox}
        tabIndex={0}
        role="tree"
        aria-label="Rows of the timeline; arrow keys move"
        {...(row && known ? { 'aria-activedescendant': rowId(row) } : {})}
        onScroll={(event) => setScroll((event.currentTarget as HTMLElement).scrollTop)}
      >
        <div class="stage">
          <canvas ref={base} class="pixels" aria-hidden="true" />
          <canvas
            ref={over}
            class="over"
            aria-hidden="true"
            onPointerMove={hover}
            onPointerLeave={leave}
            onPointerDown={(event) => scene && (setTip(null), dragLanes(scene, event))}
            onDblClick={() => actions.showAll()}
            onContextMenu={(event) => event.preventDefault()}
          />
          <Labels
            lanes={laid.lanes}
            fixedHeight={laid.fixedHeight}
            scroll={scroll}
            height={size.height}
          />
        </div>
        <div style={{ height: `${laid.fixedHeight + laid.height + 40}px` }} />
      </div>
      <StatusLine />
      {tip && <TipBox tip={tip} />}
    </main>
  );
}

function useWheel(box: { current: HTMLDivElement | null }, scene: Scene | null): void {
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
function dragLanes(scene: Scene, event: PointerEvent): void {
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
  return lane?.kind === 'row' ? { row: { view: lane.view, id: lane.row.id } } : {};
}

function click(scene: Scene, x: number, y: number, extend: boolean): void {
  const time = Math.round(scene.time(x));
  const { time: from } = store.get();
  if (extend && from !== null)
    store.set({ range: { from: Math.min(from, time), to: Math.max(from, time) } });
  else store.set({ time, range: null, ...rowAt(scene, y) });
}

function dragRuler(scene: Scene, event: PointerEvent): void {
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

function RulerInfo() {
  const window = useStore((state) => state.window);
  return (
    <div class="ruler-info" style={{ width: `${labelWidth}px` }}>
      {formatDuration(window.to - window.from)} shown
    </div>
  );
}

function StatusLine() {
  const time = useStore((state) => state.time);
  const range = useStore((state) => state.range);
  const [a, b] = useStore((state) => state.measure);
  const clocks = useStore((state) => state.marks.clocks);
  const worst = Math.max(0, ...clocks.map((clock) => Number(clock.error_ns ?? 0)));
  return (
    <div class="status" role="status">
      <span>{time === null ? 'Click a state for its details' : `T ${formatRel(time)} s`}</span>
      {time !== null && <span class="muted">{formatAbs(time)}</span>}
      {range && <span>Selected {describeSpan(range.from, range.to)}</span>}
      {a !== null && b !== null && <span class="measure">A→B {formatDuration(b - a)}</span>}
      <span class="muted right">clocks within ±{formatDuration(worst)}</span>
    </div>
  );
}

function TipBox({ tip }: { tip: Tip }) {
  const { answer } = tip;
  const left = Math.min(tip.x + 14, globalThis.innerWidth - 330);
  const top = tip.y + 320 > globalThis.innerHeight ? Math.max(4, tip.y - 220) : tip.y + 16;
  return (
    <div class="tip" role="tooltip" style={{ left: `${left}px`, top: `${top}px` }}>
      <strong>{tip.title}</strong>
      <div>{answer?.state ?? tip.state}</div>
      {answer && (
        <dl>
          <dt>duration</dt>
          <dd>{formatDuration(Number(BigInt(answer.end_ns) - BigInt(answer.begin_ns)))}</dd>
          {answer.attributes.map(([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd>{String(value ?? '')}</dd>
            </>
          ))}
        </dl>
      )}
      {answer?.culprit && (
        <div class="culprit">taken by {answer.culprit.label}. Press F to follow.</div>
      )}
    </div>
  );
}
