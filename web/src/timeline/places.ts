// Places in time that one comes back to: bookmarks, the marks A and B, and spans of lost events.

import { actions, type State, store } from '../store';
import { formatRel, type Rel, toRel } from '../time';

export interface TimePlace {
  name: string;
  from: Rel;
  to: Rel;
}

/** In the order of time. */
export function placesOf({
  bookmarks,
  measure,
  marks,
}: Pick<State, 'bookmarks' | 'measure' | 'marks'>): TimePlace[] {
  const out: TimePlace[] = bookmarks.map((one) => ({
    name: one.name,
    from: toRel(one.from_ns),
    to: toRel(one.to_ns),
  }));
  measure.forEach((at, i) => {
    if (at !== null) out.push({ name: `Mark ${'AB'[i] ?? ''}`, from: at, to: at });
  });
  for (const loss of marks.losses) {
    const from = toRel(loss.ts_ns);
    out.push({ name: `Lost events of ${loss.machine}`, from, to: from + Number(loss.dur_ns) });
  }
  return out.sort((a, b) => a.from - b.from);
}

/** The first place behind a time, or the last one before it. */
export function neighbour(
  places: readonly TimePlace[],
  time: Rel,
  direction: 1 | -1,
): TimePlace | undefined {
  return direction === 1
    ? places.find((one) => one.from > time)
    : [...places].reverse().find((one) => one.from < time);
}

export function nextPlace(direction: 1 | -1): void {
  const state = store.get();
  const places = placesOf(state);
  const { window, time } = state;
  const found = neighbour(places, time ?? (direction === 1 ? -1 : window.to), direction);
  if (!found) {
    const where = direction === 1 ? 'later' : 'earlier';
    actions.notify(`No ${where} bookmark, mark or loss${places.length === 0 ? ' at all' : ''}.`);
    return;
  }
  const { name, from, to } = found;
  store.set({ time: from, range: to > from ? { from, to } : null });
  actions.reveal(from);
  actions.notify(`${name}, at ${formatRel(from)} s`);
}
