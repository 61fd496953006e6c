// Pages of recorded events: asked for around a moment, extended at both ends, kept in the order of
// time.

import { api, type EventRow, type EventsQuery } from '../api';
import { type Span, toAbs, toRel } from '../time';
import { parseNames } from './data';

const chunk = 300;
const keep = 6000;
const mostPerAnswer = 1000;

/** The last row that is not after a moment; -1: all are after it. Rows are in the order of time. */
export function rowAt(rows: EventRow[], time: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (toRel((rows[middle] as EventRow).ts_ns) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** In the order of time, whichever way the server walked. */
export function ascending(rows: EventRow[]): EventRow[] {
  const first = rows[0];
  const last = rows[rows.length - 1];
  return first && last && toRel(first.ts_ns) > toRel(last.ts_ns) ? [...rows].reverse() : rows;
}

export interface Filter {
  names: string;
  contains: string;
  machine: string;
}

export function queryOf(
  filter: Filter,
  from: string,
  direction: 1 | -1,
  limit: number,
): EventsQuery {
  const names = parseNames(filter.names);
  return {
    from_ns: from,
    limit,
    direction,
    ...(names.length > 0 ? { names } : {}),
    ...(filter.contains.trim() ? { contains: filter.contains.trim() } : {}),
    ...(filter.machine ? { machine: filter.machine } : {}),
  };
}

export interface Loaded {
  rows: EventRow[];
  /** Whether more exist at either end. */
  before: boolean;
  after: boolean;
  /** By how many rows the last extension moved down (or up) what was there. */
  shift: number;
}
export const nothing: Loaded = { rows: [], before: false, after: false, shift: 0 };

export async function loadAround(
  filter: Filter,
  time: number,
  signal: AbortSignal,
): Promise<Loaded> {
  const [back, forth] = await Promise.all([
    api.events(queryOf(filter, toAbs(time - 1), -1, chunk), signal),
    api.events(queryOf(filter, toAbs(time), 1, chunk), signal),
  ]);
  return {
    rows: [...ascending(back.rows), ...ascending(forth.rows)],
    before: back.more,
    after: forth.more,
    shift: 0,
  };
}

/** How many of the loaded rows at this end have the time of the last one there. */
function heldAtEdge(rows: EventRow[], direction: 1 | -1): number {
  const list = direction === 1 ? [...rows].reverse() : rows;
  const other = list.findIndex((row) => row.ts_ns !== list[0]?.ts_ns);
  return other < 0 ? list.length : other;
}

/**
 * What `answer` adds. It begins at the time of the edge, since other events may have that same
 * time; those that are loaded already are left out.
 */
export function fresh(rows: EventRow[], answer: EventRow[], direction: 1 | -1): EventRow[] {
  const edge = direction === 1 ? rows[rows.length - 1] : rows[0];
  if (!edge) return answer;
  const same = answer.filter((row) => row.ts_ns === edge.ts_ns).length;
  const skip = Math.min(heldAtEdge(rows, direction), same);
  return direction === 1 ? answer.slice(skip) : answer.slice(0, answer.length - skip);
}

export async function loadMore(loaded: Loaded, filter: Filter, direction: 1 | -1): Promise<Loaded> {
  const { rows } = loaded;
  const edge = direction === 1 ? rows[rows.length - 1] : rows[0];
  if (!edge) return loaded;
  const limit = Math.min(mostPerAnswer, chunk + heldAtEdge(rows, direction));
  const answer = await api.events(queryOf(filter, edge.ts_ns, direction, limit));
  const more = fresh(rows, ascending(answer.rows), direction);
  const lost = Math.max(0, rows.length + more.length - keep);
  if (direction === 1) {
    const all = [...rows, ...more].slice(-keep);
    return { rows: all, before: loaded.before || lost > 0, after: answer.more, shift: -lost };
  }
  const all = [...more, ...rows].slice(0, keep);
  return { rows: all, before: answer.more, after: loaded.after || lost > 0, shift: more.length };
}

/** Whether a moment lies in what is loaded. */
export function inside(loaded: Loaded, time: number): boolean {
  const first = loaded.rows[0];
  const last = loaded.rows[loaded.rows.length - 1];
  if (!first || !last) return false;
  const early = time < toRel(first.ts_ns) && loaded.before;
  return !early && (time <= toRel(last.ts_ns) || !loaded.after);
}

/** All events of a span that match, the first `most` of them. */
export async function collect(
  filter: Filter,
  span: Span,
  most: number,
): Promise<{ rows: EventRow[]; more: boolean }> {
  let rows: EventRow[] = [];
  for (let from = toAbs(span.from); ; ) {
    const limit = Math.min(mostPerAnswer, most - rows.length + heldAtEdge(rows, 1));
    const answer = await api.events({ ...queryOf(filter, from, 1, limit), to_ns: toAbs(span.to) });
    const added = fresh(rows, ascending(answer.rows), 1);
    rows = [...rows, ...added];
    const last = rows[rows.length - 1];
    if (!answer.more || added.length === 0 || rows.length >= most || !last) {
      return { rows, more: answer.more };
    }
    from = last.ts_ns;
  }
}
