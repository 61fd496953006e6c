// The timeline's frame: toolbar, ruler, labels, canvases, tooltip, status line.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { actions, type RowRef, store, useStore } from '../store';
import { formatDuration } from '../time';
import { bind, onKey } from './commands';
import { wantedCopy } from './CopyFilter';
import { ensureRows } from './data';
import { dragLanes, dragRuler, useWheel } from './gestures';
import { Labels, rowId } from './Labels';
import { type Lane, laneOf, layout, refOf } from './lanes';
import { wouldHide } from './rows';
import { useArrows, useAwake, useCriticalPath, useRanks, useRanOn, useSeries } from './live';
import { Minimap } from './Minimap';
import { rulerHeight } from './palette';
import { frames, Scene } from './scene';
import { StatusLine } from './Status';
import { TipBox, useTip } from './Tip';
import { askTime, Toolbar, ZoomButtons } from './Toolbar';

const labelWidth = 210;

export function Timeline() {
  const base = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const ruler = useRef<HTMLCanvasElement>(null);
  const lanesBox = useRef<HTMLDivElement>(null);
  const [scene, setScene] = useState<Scene | null>(null);
  const { tip, hover, leave, hide } = useTip(scene);
  const [size, setSize] = useState({ width: 800, height: 400 });
  const [scroll, setScroll] = useState(0);
  const parts = useStore((state) => state.views);
  const rows = useStore((state) => state.rows);
  const openViews = useStore((state) => state.openViews);
  const copies = useStore((state) => state.copies);
  const collapsed = useStore((state) => state.collapsed);
  const pins = useStore((state) => state.pins);
  const filter = useStore((state) => state.filter);
  const ranOn = useStore((state) => state.ranOn);
  const rowHeight = useStore((state) => state.rowHeight);
  const idle = useStore((state) => state.idle);
  const active = useStore((state) => state.active);
  const order = useStore((state) => state.order);
  const hidden = useStore((state) => state.hidden);
  const row = useStore((state) => state.row);
  const awake = useAwake();
  useRanOn();
  const ranks = useRanks();
  const path = useCriticalPath();
  const series = useSeries(size.width);
  // Only a row that would be hidden changes the layout by being selected.
  const selected = row && rows[row.view]?.find((one) => one.id === row.id);
  const choice = { filter, ranOn, hidden, idle, active, order, awake, ranks, row };
  const kept = row && selected && wouldHide(selected, row.view, choice) ? row : null;
  const laid = useMemo(
    () =>
      layout(
        { views: parts, rows, openViews, copies, collapsed, pins, rowHeight, ...choice, row: kept },
        series,
        path,
      ),
    [
      ...[parts, rows, openViews, collapsed, pins, filter, ranOn, rowHeight, idle, active, order],
      ...[copies, hidden, awake, ranks, kept, series, path],
    ],
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

  // When rows above come or go, what is on the screen stays where it is.
  const anchors = useRef<Array<{ key: string; offset: number }>>([]);
  const scrolled = (box: HTMLElement): void => {
    const { scrollTop } = box;
    const below = laid.lanes.filter(
      (lane) => lane.kind === 'row' && !lane.fixed && lane.top + lane.height > scrollTop,
    );
    // The first one may be what goes.
    anchors.current =
      scrollTop > 0
        ? below.slice(0, 50).map(({ key, top }) => ({ key, offset: top - scrollTop }))
        : [];
    setScroll(scrollTop);
  };
  useLayoutEffect(() => {
    if (anchors.current.length === 0) return;
    const tops = new Map(laid.lanes.map((lane) => [lane.key, lane.top]));
    const held = anchors.current.find(({ key }) => tops.has(key));
    if (held && lanesBox.current)
      lanesBox.current.scrollTop = Math.max(0, (tops.get(held.key) ?? 0) - held.offset);
  }, [laid]);

  useEffect(() => {
    if (!scene) return undefined;
    const focusFilter = (): void => document.getElementById('row-filter')?.focus();
    bind({ scene, focusFilter, askTime });
    return () => bind(null);
  }, [scene]);

  function scrollTo(row: RowRef): void {
    requestAnimationFrame(() => {
      const box = lanesBox.current;
      const lane = laneOf(scene?.layout.lanes.filter((item) => !item.fixed) ?? [], row);
      if (!box || !lane || !scene) return;
      const visible = box.clientHeight - scene.layout.fixedHeight;
      if (lane.top < box.scrollTop + 24) box.scrollTop = Math.max(0, lane.top - 48);
      else if (lane.top + lane.height > box.scrollTop + visible)
        box.scrollTop = lane.top + lane.height - visible + 24;
    });
  }

  // A link or a panel selected a row: bring it onto the screen once its lane is known.
  const lane = laneOf(laid.lanes, row);
  const known = lane !== undefined;
  useEffect(() => {
    if (row && known) scrollTo(row);
  }, [row, known, awake]);

  // A view that was switched on: bring it onto the screen, once it is laid out.
  const opened = useRef({ views: openViews, wanted: '' });
  useEffect(() => {
    const added = openViews.filter((view) => !opened.current.views.includes(view));
    opened.current = { views: openViews, wanted: added[0] ?? opened.current.wanted };
    const { wanted } = opened.current;
    const header = laid.lanes.find((lane) => lane.kind === 'header' && lane.view === wanted);
    const next = laid.lanes[header ? laid.lanes.indexOf(header) + 1 : 0];
    if (!header || next?.view !== wanted || !lanesBox.current) return;
    opened.current.wanted = '';
    if (!row || row.view !== wanted) scrollToHeader((lane) => lane.view === wanted);
  }, [openViews, laid]);

  // The same for a copy that was just made.
  useEffect(() => {
    const made = wantedCopy();
    if (made !== null) scrollToHeader((lane) => lane.kind === 'header' && lane.copy === made);
  }, [copies]);

  function scrollToHeader(meant: (lane: Lane) => boolean): void {
    // After the element that gives the lanes their height has grown; the lanes may have changed.
    requestAnimationFrame(() => {
      const header = scene?.layout.lanes.find(
        (lane) => lane.kind === 'header' && !lane.fixed && meant(lane),
      );
      if (header && lanesBox.current) lanesBox.current.scrollTop = Math.max(0, header.top - 4);
    });
  }

  // A path stands above the views: bring it onto the screen, too.
  useEffect(() => {
    if (path && lanesBox.current) lanesBox.current.scrollTop = 0;
  }, [path]);

  useEffect(() => {
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);

  useWheel(lanesBox, scene);

  return (
    <main class="timeline" aria-label="Timeline">
      <Toolbar />
      <div class="whole">
        <ZoomButtons width={labelWidth} />
        <Minimap scene={scene} />
      </div>
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
        {...(lane ? { 'aria-activedescendant': rowId(refOf(lane)) } : {})}
        onScroll={(event) => scrolled(event.currentTarget as HTMLElement)}
      >
        <div class="stage">
          <canvas ref={base} class="pixels" aria-hidden="true" />
          <canvas
            ref={over}
            class="over"
            aria-hidden="true"
            onPointerMove={hover}
            onPointerLeave={leave}
            onPointerDown={(event) => scene && (hide(), dragLanes(scene, event))}
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

function RulerInfo() {
  const window = useStore((state) => state.window);
  return (
    <div class="ruler-info" style={{ width: `${labelWidth}px` }}>
      {formatDuration(window.to - window.from)} shown
    </div>
  );
}
