// Places in time that one comes back to: bookmarks, the marks A and B, and spans of lost events.

import { actions, type State, store } from '../store';
import { formatDuration, formatRel, type Rel, type Span, toRel } from '../time';

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

/** The mark of the period next to a time. */
export function periodic(
  period: State['period'],
  time: Rel,
  direction: 1 | -1,
  limit: Span,
): TimePlace | undefined {
  if (!period) return undefined;
  const { every, from } = period;
  const count = (time - from) / every;
  const next = direction === 1 ? Math.floor(count) + 1 : Math.ceil(count) - 1;
  const at = from + next * every;
  if (next < 0 || at > limit.to) return undefined;
  return { name: `Mark ${next} of every ${formatDuration(every)}`, from: at, to: at };
}

export function nextPlace(direction: 1 | -1): void {
  const state = store.get();
  const places = placesOf(state);
  const { window, time, limit, period } = state;
  const now = time ?? (direction === 1 ? -1 : window.to);
  const near = [neighbour(places, now, direction), periodic(period, now, direction, limit)]
    .filter((one): one is TimePlace => one !== undefined)
    .sort((a, b) => direction * (a.from - b.from));
  const found = near[0];
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
