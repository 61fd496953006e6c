// Typed client of the server's page API. Every address is relative to the page. Times in answers
// stay the server's decimal strings (AbsText); time.ts converts. A failed call throws ApiError with
// the server's title and detail.

import type { AbsText } from './time';
import { decodeStates, type StatesAnswer } from './states';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly offset: number | null = null,
  ) {
    super(detail ? `${title}: ${detail}` : title);
  }
}

export interface MachineInfo {
  machine: string;
  kind: string;
  parent: string | null;
  vcpus: number | null;
}
export interface ClockInfo {
  machine: string;
  method: string;
  quality: string;
  error_ns: AbsText | null;
  outside_after: number | null;
}
export interface TraceInfo {
  path: string;
  format: string;
  tracer: string;
  machine: string;
  begin_ns: AbsText | null;
  end_ns: AbsText | null;
  /** Null: only a sample was read so far. */
  events: string | null;
  lost_events: string | null;
  loss_windows: number | null;
}
/** How much of the states the server can show. */
export interface ShownPart {
  /** Larger when there is more. */
  number: number;
  complete: boolean;
  /** All rows are known up to here; null when it is complete. */
  until_ns: AbsText | null;
}
export interface Experiment {
  name: string;
  version: string;
  epoch: boolean;
  begin_ns: AbsText;
  end_ns: AbsText;
  events: string | null;
  lost_events: string | null;
  host: string;
  status: 'RUNNING' | 'COMPLETED' | 'FAILED';
  progress: number;
  message: string;
  machines: MachineInfo[];
  clocks: ClockInfo[];
  traces: TraceInfo[];
  /** Null: nothing yet. */
  shown: ShownPart | null;
  command: string;
  paths: string[];
}
export type Cell = string | number | boolean | null;
export interface Section {
  columns: string[];
  rows: Cell[][];
}
export interface Target {
  view: string;
  row: number | null;
  from_ns: AbsText;
  to_ns: AbsText;
}
export interface Conclusion {
  kind: 'bad' | 'warn' | 'note' | 'good';
  rule: string;
  subject: string;
  message: string;
  next: string | null;
  target: Target | null;
}
export interface Report {
  sections: Record<string, Section>;
  conclusions: Conclusion[];
}
export interface LayerInfo {
  id: string;
  name: string;
  kind: 'state' | 'text' | 'machine';
}
export interface ViewInfo {
  id: string;
  name: string;
  description: string;
  layers: LayerInfo[];
  missing: { message: string; command: string } | null;
}
export type RowKind = 'group' | 'pcpu' | 'vcpu' | 'thread' | 'vprocess' | 'device';
export interface Row {
  id: number;
  parent: number;
  label: string;
  sub: string;
  machine: string;
  kind: RowKind;
  cpu: number | null;
  vcpu: number | null;
  tid: number | null;
  begin_ns: AbsText;
  end_ns: AbsText;
  has_data: boolean;
  /** Time in which a task had a processor, over its whole life; 0 of what is no task. */
  ran_ns: AbsText;
}
export interface Place {
  view: string;
  row: number;
  begin_ns: AbsText;
  end_ns: AbsText;
  label: string;
}
export interface AtAnswer {
  row: number;
  begin_ns: AbsText;
  end_ns: AbsText;
  /** It has not ended in what has been analysed so far; `end_ns` is up to where it is known. */
  open?: boolean;
  state: string;
  attributes: Array<[string, Cell]>;
  sql: string;
  culprit: Place | null;
}
export interface Step {
  begin_ns: AbsText;
  end_ns: AbsText;
  state: string;
}
export interface Arrow {
  kind: 'wakeup' | 'preempt' | 'migrate';
  from_row: number;
  to_row: number;
  from_ns: AbsText;
  to_ns: AbsText;
  label: string;
}
export interface Series {
  id: string;
  name: string;
  unit: string;
  machine: string;
  x: AbsText[];
  y: Array<number | null>;
}
export interface Loss {
  machine: string;
  cpu: number | null;
  ts_ns: AbsText;
  dur_ns: AbsText;
  lost_events: string | null;
}
export interface Marks {
  losses: Loss[];
  clocks: Array<{ machine: string; error_ns: AbsText | null }>;
}
export interface EventsQuery {
  from_ns: AbsText;
  to_ns?: AbsText;
  limit: number;
  machine?: string;
  names?: string[];
  contains?: string;
  direction?: 1 | -1;
}
export interface EventRow {
  ts_ns: AbsText;
  trace: string;
  machine: string;
  cpu: number | null;
  tid: number | null;
  name: string;
  fields: string;
}
export interface SqlAnswer {
  columns: string[];
  rows: Cell[][];
  truncated: boolean;
  elapsed_ms: number;
  notes?: string[];
}
export interface PathStep {
  ts_ns: AbsText;
  dur_ns: AbsText;
  depth: number;
  label: string;
  machine: string;
  tid: number | null;
  comm: string;
  cpu: number | null;
  cause: string;
}
export interface FlowStep {
  ts_ns: AbsText;
  dur_ns: AbsText;
  kind: string;
  machine: string;
  vcpu: number | null;
  tid: number | null;
  comm: string;
  pcpu: number | null;
  cause: string;
}
export interface WhyAnswer {
  headline: string;
  text: string;
  sections: Record<string, Section>;
  path: PathStep[];
  flow: FlowStep[];
}
export interface CompareSide {
  machine: string;
  from_ns: AbsText;
  to_ns: AbsText;
}
export interface CompareRow {
  group: 'state' | 'exit' | 'steal';
  name: string;
  a: number | null;
  b: number | null;
  unit: string;
}
export interface Bookmark {
  id?: number | string;
  name: string;
  from_ns: AbsText;
  to_ns: AbsText;
  colour: string;
  view?: string;
  row?: number;
  note?: string;
}
export interface StatesQuery {
  view: string;
  layers: string[];
  rows: number[];
  from_ns: AbsText;
  to_ns: AbsText;
  pixels: number;
}

async function failure(response: Response): Promise<ApiError> {
  let title = `HTTP ${response.status}`;
  let detail = response.statusText;
  let offset: number | null = null;
  try {
    const body = (await response.json()) as { title?: string; detail?: string; offset?: number };
    title = body.title ?? title;
    detail = body.detail ?? detail;
    offset = body.offset ?? null;
  } catch {
    // Not JSON: the status line is all there is.
  }
  return new ApiError(response.status, title, detail, offset);
}

/** Told after every call whether the server answered, whatever it said. */
let reached: (answers: boolean) => void = () => undefined;

export function onReach(listener: (answers: boolean) => void): void {
  reached = listener;
}

async function call(
  path: string,
  method: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`./api/${path}`, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    reached(false);
    throw new ApiError(0, 'The server does not answer', 'Is virtscope serve still running?');
  }
  reached(true);
  if (!response.ok) throw await failure(response);
  return response;
}

async function json<T>(
  path: string,
  method: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> {
  return (await (await call(path, method, body, signal)).json()) as T;
}

/** 204 means that nothing is there: null. */
async function optional<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T | null> {
  const response = await call(path, 'POST', body, signal);
  return response.status === 204 ? null : ((await response.json()) as T);
}

export const api = {
  login: async (token: string): Promise<void> => void (await call('login', 'POST', { token })),
  experiment: () => json<Experiment>('experiment', 'GET'),
  report: () => json<Report>('report', 'GET'),
  views: async () => (await json<{ views: ViewInfo[] }>('views', 'GET')).views,
  rows: async (view: string) => (await json<{ rows: Row[] }>('rows', 'POST', { view })).rows,
  /** Ids of the rows that do something in a span. */
  active: async (view: string, from_ns: AbsText, to_ns: AbsText, signal?: AbortSignal) =>
    (await json<{ rows: number[] }>('active', 'POST', { view, from_ns, to_ns }, signal)).rows,
  /** The CPUs that rows ran on in a span; rows that did not run are not in it. */
  ranOn: async (view: string, from_ns: AbsText, to_ns: AbsText, signal?: AbortSignal) => {
    type Answer = { rows: Array<{ id: number; cpus: number[] }> };
    const { rows } = await json<Answer>('ran_on', 'POST', { view, from_ns, to_ns }, signal);
    return new Map(rows.map(({ id, cpus }) => [id, cpus]));
  },
  /** Machine, state, count and total_ns of a table of states, over the whole experiment. */
  totals: (table: string) => json<Section>('totals', 'POST', { table }),
  /** Requests of each user of each disk: machine, device, vm, count, bytes, total_ns, max_ns. */
  disks: () => json<Section>('disks', 'GET'),
  states: async (query: StatesQuery, signal?: AbortSignal): Promise<StatesAnswer> =>
    decodeStates(new Uint8Array(await (await call('states', 'POST', query, signal)).arrayBuffer())),
  /** `near`: where nothing holds at the time, how far away what is meant may begin, in ns. */
  at: (view: string, row: number, time_ns: AbsText, near = 0, signal?: AbortSignal) =>
    optional<AtAnswer>('at', { view, row, time_ns, within_ns: String(near) }, signal),
  step: (view: string, row: number, time_ns: AbsText, direction: 1 | -1, layer: string) =>
    optional<Step>('step', { view, row, time_ns, direction, layer }),
  follow: (view: string, row: number, time_ns: AbsText) =>
    optional<Place & { message: string }>('follow', { view, row, time_ns }),
  arrows: (
    query: { view: string; rows: number[]; from_ns: AbsText; to_ns: AbsText; limit: number },
    signal?: AbortSignal,
  ) => json<{ arrows: Arrow[]; truncated: boolean }>('arrows', 'POST', query, signal),
  series: async (
    query: { from_ns: AbsText; to_ns: AbsText; points: number; ids?: string[] },
    signal?: AbortSignal,
  ) => (await json<{ series: Series[] }>('series', 'POST', query, signal)).series,
  marks: () => json<Marks>('marks', 'GET'),
  events: (query: EventsQuery, signal?: AbortSignal) =>
    json<{ rows: EventRow[]; more: boolean }>('events', 'POST', query, signal),
  sql: (sql: string, limit = 1000, signal?: AbortSignal) =>
    json<SqlAnswer>('sql', 'POST', { sql, limit }, signal),
  why: (
    query: { task: string; from_ns?: AbsText; to_ns?: AbsText; slowest?: number },
    signal?: AbortSignal,
  ) => json<WhyAnswer>('why', 'POST', query, signal),
  compare: async (a: CompareSide, b: CompareSide) =>
    (await json<{ rows: CompareRow[] }>('compare', 'POST', { a, b })).rows,
  bookmarks: async (): Promise<Bookmark[]> => {
    const answer = await json<Bookmark[] | { bookmarks: Bookmark[] }>('bookmarks', 'GET');
    return Array.isArray(answer) ? answer : answer.bookmarks;
  },
  addBookmark: (bookmark: Bookmark) => json<Bookmark>('bookmarks', 'POST', bookmark),
  deleteBookmark: async (id: number | string): Promise<void> =>
    void (await call(`bookmarks/${encodeURIComponent(id)}`, 'DELETE', undefined)),
};
