// Going from one place to another: a row's interval is selected, its row unfolded, its view open.

import { api } from './api';
import { loadRows } from './start';
import { actions, store } from './store';
import { toAbs, toRel } from './time';

export interface Place {
  view: string;
  row: number;
  from: number;
  to: number;
}

/** Says on the page what went wrong, instead of leaving it to the console. */
export async function guarded(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    actions.notify(error instanceof Error ? error.message : String(error), 'error');
  }
}

/** Shows and selects a place. The window stays where it is when the place can be seen in it. */
export async function jump(place: Place): Promise<void> {
  await loadRows(place.view);
  const range = place.to > place.from ? { from: place.from, to: place.to } : null;
  actions.choose(place.view, place.row, { time: place.from, range });
  const { window } = store.get();
  const length = place.to - place.from;
  const inside = place.from >= window.from && place.to <= window.to;
  if (inside && length / (window.to - window.from) >= 0.002) return;
  const room = Math.max(length * 4, 50_000);
  actions.show({ from: place.from - room, to: place.to + room });
}

/** From a robbed interval to who had the processor meanwhile. */
export function followCulprit(): Promise<void> {
  return guarded(async () => {
    const { row, time, views } = store.get();
    if (!row || time === null || !views.some((view) => view.id === row.view)) {
      actions.notify('Select a stolen (hatched vermilion) interval first, then press f.');
      return;
    }
    const found = await api.follow(row.view, row.id, toAbs(time));
    if (!found) return actions.notify('Nobody took the processor here.');
    await jump({
      view: found.view,
      row: found.row,
      from: toRel(found.begin_ns),
      to: toRel(found.end_ns),
    });
    actions.notify(found.message || found.label);
  });
}
