// What the timeline asks the server for as the window and the selection move: the critical path,
// the series, the arrows.

import { useEffect, useState } from 'preact/hooks';
import { api, type Series } from '../api';
import { actions, store, useStore } from '../store';
import { toAbs } from '../time';
import { type Lane, pathView, seriesView } from './lanes';
import { type CriticalPath, loadPath } from './path';
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

/** Fetches after the window came to rest; the answer before stays until the new one is there. */
export function useSeries(width: number): Series[] {
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

export function useArrows(scene: Scene | null, path: CriticalPath | null, lanes: Lane[]): void {
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
