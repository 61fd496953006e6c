// Pages of recorded events: asked for around a moment, extended at both ends, kept in the order of
// time.

import { api, type EventRow, type EventsQuery } from '../api';
import { compilePattern, PatternError } from '../filter/pattern';
import { type AbsText, type Span, toAbs, toRel } from '../time';
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

/** Columns that a regular expression can be asked of. */
export const columns = ['machine', 'cpu', 'tid', 'name', 'fields'] as const;
export type Column = (typeof columns)[number];

export interface Filter {
  names: string;
  contains: string;
  machine: string;
  /** Regular expressions by column, all of which must match. */
  patterns?: Partial<Record<Column, string>>;
}

type Matcher = ((row: EventRow) => boolean) | null;

/** Null: there are no regular expressions. Throws an error that names the column and the place. */
export function matcherOf(filter: Filter): Matcher {
  const tests = columns.flatMap((column) => {
    const pattern = filter.patterns?.[column] ?? '';
    if (pattern === '') return [];
    try {
      const test = compilePattern(pattern);
      return [(row: EventRow) => test(String(row[column] ?? ''))];
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      throw new Error(`${column}, at character ${error.at + 1}: ${error.message}`);
    }
  });
  return tests.length === 0 ? null : (row) => tests.every((test) => test(row));
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

/** Where reading goes on: the time, and the rows of that very time that are known already. */
interface Edge {
  from: AbsText;
  rows: EventRow[];
}

export interface Loaded {
  rows: EventRow[];
  /** Where more may be found; null: there is no more. */
  before: Edge | null;
  after: Edge | null;
  /** By how many rows the last extension moved down (or up) what was there. */
  shift: number;
}
export const nothing: Loaded = { rows: [], before: null, after: null, shift: 0 };

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

/** Events that are looked at for a match before one is asked to go on. */
const mostScanned = 20_000;
const mostStepped = 200_000;
const mostCollected = 500_000;

interface Scan {
  filter: Filter;
  direction: 1 | -1;
  /** How many rows are enough, and how many may be looked at. */
  want: number;
  most: number;
  to_ns?: AbsText;
  signal?: AbortSignal | undefined;
}

interface Scanned {
  /** In the order of time. */
  rows: EventRow[];
  edge: Edge | null;
}

function moved(edge: Edge, added: EventRow[], direction: 1 | -1): Edge {
  const list = direction === 1 ? [...edge.rows, ...added] : [...added, ...edge.rows];
  const last = direction === 1 ? list[list.length - 1] : list[0];
  if (!last) return edge;
  return { from: last.ts_ns, rows: list.filter((row) => row.ts_ns === last.ts_ns) };
}

/** Reads on from an edge until there are enough rows that match. */
async function scan(begin: Edge, options: Scan): Promise<Scanned> {
  const { filter, direction, want, most, to_ns, signal } = options;
  const matcher = matcherOf(filter);
  let edge = begin;
  let rows: EventRow[] = [];
  for (let seen = 0; rows.length < want && seen < most; ) {
    const ask = matcher ? mostPerAnswer : want - rows.length;
    const limit = Math.min(mostPerAnswer, ask + edge.rows.length);
    const query = { ...queryOf(filter, edge.from, direction, limit), ...(to_ns ? { to_ns } : {}) };
    const answer = await api.events(query, signal);
    const added = fresh(edge.rows, ascending(answer.rows), direction);
    const found = matcher ? added.filter(matcher) : added;
    rows = direction === 1 ? [...rows, ...found] : [...found, ...rows];
    if (!answer.more) return { rows, edge: null };
    if (added.length === 0) break;
    edge = moved(edge, added, direction);
    seen += added.length;
  }
  return { rows, edge };
}

export async function loadAround(
  filter: Filter,
  time: number,
  signal: AbortSignal,
): Promise<Loaded> {
  const part = (from: number, direction: 1 | -1): Promise<Scanned> =>
    scan(
      { from: toAbs(from), rows: [] },
      { filter, direction, want: chunk, most: mostScanned, signal },
    );
  const [back, forth] = await Promise.all([part(time - 1, -1), part(time, 1)]);
  return { rows: [...back.rows, ...forth.rows], before: back.edge, after: forth.edge, shift: 0 };
}

/** The place, not before `at`, where a new time begins. */
function boundary(rows: EventRow[], at: number): number {
  while (at > 0 && at < rows.length && rows[at]?.ts_ns === rows[at - 1]?.ts_ns) ++at;
  return at;
}

function beside(row: EventRow | undefined, by: bigint): Edge | null {
  return row ? { from: String(BigInt(row.ts_ns) + by), rows: [] } : null;
}

export async function loadMore(loaded: Loaded, filter: Filter, direction: 1 | -1): Promise<Loaded> {
  const from = direction === 1 ? loaded.after : loaded.before;
  if (!from) return loaded;
  const { rows, edge } = await scan(from, { filter, direction, want: chunk, most: mostScanned });
  if (direction === 1) {
    const all = [...loaded.rows, ...rows];
    const lost = boundary(all, Math.max(0, all.length - keep));
    const before = lost > 0 ? beside(all[lost], -1n) : loaded.before;
    return { rows: all.slice(lost), before, after: edge, shift: -lost };
  }
  const all = [...rows, ...loaded.rows];
  const end = boundary(all, Math.min(all.length, keep));
  const after = end < all.length ? beside(all[end - 1], 1n) : loaded.after;
  return { rows: all.slice(0, end), before: edge, after, shift: rows.length };
}

/** Whether a moment lies in what was read. */
export function inside(loaded: Loaded, time: number): boolean {
  const { before, after } = loaded;
  return (
    (before === null || time >= toRel(before.from)) && (after === null || time <= toRel(after.from))
  );
}

/** The next match; `gaveUp`: it may lie further on. */
export async function nextMatch(
  filter: Filter,
  from: number,
  direction: 1 | -1,
): Promise<{ row: EventRow | undefined; gaveUp: boolean }> {
  const begin = { from: toAbs(from), rows: [] };
  const { rows, edge } = await scan(begin, { filter, direction, want: 1, most: mostStepped });
  const row = direction === 1 ? rows[0] : rows[rows.length - 1];
  return { row, gaveUp: edge !== null };
}

/** All events of a span that match, the first `most` of them. */
export async function collect(
  filter: Filter,
  span: Span,
  most: number,
): Promise<{ rows: EventRow[]; more: boolean }> {
  const { rows, edge } = await scan(
    { from: toAbs(span.from), rows: [] },
    { filter, direction: 1, want: most, most: mostCollected, to_ns: toAbs(span.to) },
  );
  return { rows: rows.slice(0, most), more: edge !== null || rows.length > most };
}
