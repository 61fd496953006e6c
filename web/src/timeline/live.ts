// What the timeline asks the server for as the window and the selection move: the critical path,
// the series, the arrows, and which rows do something.

import { useEffect, useState } from 'preact/hooks';
import { api, type Series } from '../api';
import { filterOf, hasRun, type RanOn } from '../filter/evaluate';
import { actions, store, useStore } from '../store';
import { toAbs, type Span } from '../time';
import { type Lane, pathView, seriesView } from './lanes';
import { type CriticalPath, loadPath } from './path';
import { linkedRanks } from './order';
import type { Awake, Ranks } from './rows';
import type { Scene } from './scene';

export function useCriticalPath(): CriticalPath | null {
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

/**
 * Calls `ask` for the window once it came to rest, again for every later one, and stops what it
 * asked when the window moves on. The component is not drawn again because of the window.
 */
function useWindow(
  on: boolean,
  ask: (window: Span, signal: AbortSignal) => Promise<void>,
  restMs: number,
  depends: unknown[],
): void {
  useEffect(() => {
    if (!on) return undefined;
    let asked: Span | null = null;
    let stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (): void => {
      clearTimeout(timer);
      stop.abort();
    };
    const look = (): void => {
      const { window } = store.get();
      if (window === asked) return;
      asked = window;
      end();
      stop = new AbortController();
      const { signal } = stop;
      timer = setTimeout(() => {
        ask(window, signal).catch(
          (error: Error) => !signal.aborted && actions.notify(error.message, 'error'),
        );
      }, restMs);
    };
    look();
    const off = store.subscribe(look);
    return () => {
      off();
      end();
    };
  }, [on, ...depends]);
}

/** Changes when more has been analysed. */
const usePart = (): number | undefined => useStore((state) => state.experiment?.shown?.number);

/** The answer before stays until the new one is there. */
export function useSeries(width: number): Series[] {
  const open = useStore((state) => state.openViews.includes(seriesView));
  const [series, setSeries] = useState<Series[]>([]);
  const part = usePart();
  const points = Math.max(50, Math.min(1000, Math.floor(width / 2)));
  useWindow(
    open,
    async (window, signal) =>
      setSeries(
        await api.series({ from_ns: toAbs(window.from), to_ns: toAbs(window.to), points }, signal),
      ),
    120,
    [points, part],
  );
  return open ? series : none;
}
const none: Series[] = [];

/** Rows that do something in the window, while only those are wanted. */
export function useAwake(): Awake {
  const on = useStore((state) => state.active);
  const openViews = useStore((state) => state.openViews);
  const views = useStore((state) => state.views);
  const part = usePart();
  const [awake, setAwake] = useState<Awake>({});
  useWindow(
    on,
    async (window, signal) => {
      const known = openViews.filter((id) => views.some((view) => view.id === id));
      const answers = await Promise.all(
        known.map((view) => api.active(view, toAbs(window.from), toAbs(window.to), signal)),
      );
      setAwake(Object.fromEntries(known.map((view, i) => [view, new Set(answers[i])])));
    },
    150,
    [openViews, views, part],
  );
  return awake;
}

/** Where rows ran in the window, while the filter asks for it. */
export function useRanOn(): void {
  const on = useStore(({ filter, copies }) =>
    [filter, ...copies.map((copy) => copy.filter)].some((one) => filterOf(one).filter.asksRanOn),
  );
  const openViews = useStore((state) => state.openViews);
  const pins = useStore((state) => state.pins);
  const rows = useStore((state) => state.rows);
  const part = usePart();
  useEffect(() => {
    if (!on) store.set({ ranOn: {} });
  }, [on]);
  useWindow(
    on,
    async (window, signal) => {
      const wanted = new Set([...openViews, ...pins.map((pin) => pin.view)]);
      const views = [...wanted].filter((id) => rows[id]?.some((row) => hasRun.includes(row.kind)));
      const answers = await Promise.all(
        views.map((view) => api.ranOn(view, toAbs(window.from), toAbs(window.to), signal)),
      );
      store.set({ ranOn: Object.fromEntries(views.map((view, i) => [view, answers[i] as RanOn])) });
    },
    150,
    [openViews, pins, rows, part],
  );
}

/** Places of rows that make arrows short, for the window in which they were asked for. */
export function useRanks(): Ranks {
  const on = useStore((state) => state.order === 'linked');
  const asked = useStore((state) => state.linkedAt);
  const rows = useStore((state) => state.rows);
  const openViews = useStore((state) => state.openViews);
  const [ranks, setRanks] = useState<Ranks>({});
  useEffect(() => {
    if (!on) return undefined;
    const stop = new AbortController();
    const { window } = store.get();
    const views = openViews.filter((view) => rows[view]?.some((row) => row.kind === 'thread'));
    const ask = async (view: string): Promise<[string, Map<number, number>]> => {
      const threads = (rows[view] ?? []).filter((row) => row.kind === 'thread');
      // Those that ran most, where there are many.
      const ids = threads.sort((a, b) => Number(b.ran_ns) - Number(a.ran_ns)).map((row) => row.id);
      const { arrows } = await api.arrows(
        {
          view,
          rows: ids.slice(0, mostRows),
          from_ns: toAbs(window.from),
          to_ns: toAbs(window.to),
          limit: mostLinks,
        },
        stop.signal,
      );
      return [view, linkedRanks(ids, arrows)];
    };
    Promise.all(views.map(ask)).then(
      (found) => setRanks(Object.fromEntries(found)),
      (error: Error) => !stop.signal.aborted && actions.notify(error.message, 'error'),
    );
    return () => stop.abort();
  }, [on, asked, rows, openViews]);
  return on ? ranks : noRanks;
}
const noRanks: Ranks = {};
const mostLinks = 2000;

const mostRows = 400;
const mostArrows = 500;

export function useArrows(scene: Scene | null, path: CriticalPath | null, lanes: Lane[]): void {
  const on = useStore((state) => state.arrows);
  const row = useStore((state) => state.row);
  useEffect(() => {
    if (!scene) return;
    scene.arrows = path?.arrows ?? [];
    scene.invalidate();
  }, [scene, path, lanes, on, row]);
  useWindow(
    scene !== null && on && row !== null && row.view !== pathView,
    async (window, signal) => {
      if (!scene || !row) return;
      const shown = lanes.flatMap((lane) =>
        lane.kind === 'row' && lane.view === row.view && lane.row.kind !== 'group'
          ? [lane.row.id]
          : [],
      );
      const rows = [...new Set(shown)];
      const { arrows } = await api.arrows(
        {
          view: row.view,
          rows: rows.slice(0, mostRows),
          from_ns: toAbs(window.from),
          to_ns: toAbs(window.to),
          limit: mostArrows,
        },
        signal,
      );
      const own = arrows.filter((arrow) => arrow.from_row === row.id || arrow.to_row === row.id);
      scene.arrows = [
        ...(path?.arrows ?? []),
        ...own.map((arrow) => ({ ...arrow, view: row.view })),
      ];
      scene.invalidate();
    },
    150,
    [scene, path, lanes, row],
  );
}
