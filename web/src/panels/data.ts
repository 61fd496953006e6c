// What the panels share: cells of tables, words for times, CSV, and jumps. Pure apart from the last
// part.

import type { Cell, Row, Section } from '../api';
import { loadRows } from '../start';
import { actions, store } from '../store';
import { formatDuration, parseTime, type Rel, type Span, toRel } from '../time';

export type Entry = Record<string, Cell>;

/** Rows by column name; a section that the server left out is an empty list. */
export function entries(section: Section | undefined): Entry[] {
  if (!section) return [];
  return section.rows.map((row) =>
    Object.fromEntries(section.columns.map((name, i) => [name, row[i] ?? null])),
  );
}

/**
 * A number from a cell: the server sends int64 as decimal text. Null for anything that is not a
 * finite number.
 */
export function num(cell: Cell | undefined): number | null {
  if (typeof cell === 'number') return Number.isFinite(cell) ? cell : null;
  if (typeof cell !== 'string' || !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(cell)) return null;
  const value = Number(cell);
  return Number.isFinite(value) ? value : null;
}

export const amount = (cell: Cell | undefined): number => num(cell) ?? 0;
export const text = (cell: Cell | undefined): string =>
  cell === null || cell === undefined ? '' : String(cell);

/** The moment of an absolute-time cell; null when it is none (out of int64, a fraction, words). */
export function momentOf(cell: Cell | undefined): Rel | null {
  if (typeof cell !== 'string' && typeof cell !== 'number') return null;
  if (!/^-?\d{1,19}$/.test(String(cell))) return null;
  return toRel(String(cell));
}

export function duration(cell: Cell | undefined): string {
  const value = num(cell);
  return value === null ? '–' : formatDuration(value);
}

/** A share 0..1 as per cent. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(share >= 0.1 || share === 0 ? 0 : 1)} %`;
}

export function who(entry: Entry, prefix = ''): string {
  const machine = text(entry[`${prefix}machine`]);
  const vcpu = text(entry[`${prefix}vcpu`]);
  const comm = text(entry[`${prefix}comm`]);
  const tid = text(entry[`${prefix}tid`]);
  if (!machine && !comm && !tid) return 'nobody (waking up)';
  const where = `${machine}${vcpu === '' ? '' : `/${vcpu}`}`;
  return `${where} ${comm}${tid === '' ? '' : ` (${tid})`}`.trim();
}

/**
 * One cell as RFC 4180. Text that a spreadsheet would run as a formula gets an apostrophe; plain
 * numbers stay numbers.
 */
export function csvCell(cell: Cell): string {
  if (cell === null) return '';
  let value = String(cell);
  if (/^[\s]*[=+\-@]|^[\t\r\n]/.test(value) && num(cell) === null) value = `'${value}`;
  return /[",\r\n]/.test(value) || value !== value.trim()
    ? `"${value.replace(/"/g, '""')}"`
    : value;
}

export function toCsv(columns: string[], rows: Cell[][]): string {
  return [columns, ...rows].map((row) => row.map(csvCell).join(',')).join('\r\n') + '\r\n';
}

export function toJson(columns: string[], rows: Cell[][]): string {
  return JSON.stringify(entries({ columns, rows }), null, 1);
}

export function download(name: string, type: string, body: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([body], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/**
 * Line and column (from 1) of a byte offset in UTF-8 text: where the server says that a statement
 * is wrong.
 */
export function positionOf(
  sql: string,
  offset: number,
): { line: number; column: number; index: number } | null {
  const bytes = new TextEncoder().encode(sql);
  if (!Number.isInteger(offset) || offset < 0 || offset > bytes.length) return null;
  const before = new TextDecoder().decode(bytes.slice(0, offset));
  const lines = before.split('\n');
  return {
    line: lines.length,
    column: [...(lines[lines.length - 1] ?? '')].length + 1,
    index: before.length,
  };
}

/** `vm1/156` or `vm1/critical`, as `why --task` takes it; null when it is not of that form. */
export function parseTask(value: string): string | null {
  const clean = value.trim();
  return /^[^\s/][^/]{0,119}\/[^/]{1,79}$/.test(clean) ? clean : null;
}

/**
 * Two ends as typed ("1.5s", "+5ms", absolute ns); null when either is wrong or the span is empty.
 */
export function parseEnds(from: string, to: string): Span | null {
  const begin = parseTime(from, 0);
  if (begin === null) return null;
  const end = parseTime(to, begin);
  return end === null || end <= begin ? null : { from: begin, to: end };
}

/** Event names: separated by commas or blanks, without doubles. */
export function parseNames(value: string): string[] {
  return [...new Set(value.split(/[\s,]+/).filter((name) => name.length > 0))].slice(0, 100);
}

/** Which columns hold a moment, and the length that belongs to each. */
export function timeColumns(columns: string[]): Map<number, number | null> {
  const out = new Map<number, number | null>();
  columns.forEach((name, i) => {
    if (!/(^|_)ts(_ns)?$|^(begin|end|from|to)_ns$/.test(name)) return;
    const length = /^ts(_ns)?$/.test(name)
      ? columns.findIndex((other) => /^dur(_ns)?$/.test(other))
      : -1;
    out.set(i, length < 0 ? null : length);
  });
  return out;
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Selects a moment or an interval on the timeline; the row is kept. */
export function jump(ts: Cell | undefined, dur?: Cell): void {
  const from = momentOf(ts);
  if (from === null) return;
  actions.goTo({ from, to: from + Math.max(0, amount(dur)) });
}

/** Selects the row of a task, vCPU or pCPU; says so when no view has it. */
export async function selectRow(
  machine: string,
  of: { tid?: number; vcpu?: number },
): Promise<boolean> {
  try {
    for (const view of ['vms', 'control']) {
      await loadRows(view);
      const wanted = (one: Row): boolean =>
        of.tid !== undefined ? one.tid === of.tid : one.kind === 'vcpu' && one.vcpu === of.vcpu;
      const rows = store.get().rows[view] ?? [];
      const row = rows.find((one) => one.machine === machine && wanted(one));
      if (!row) continue;
      actions.choose(view, row.id);
      return true;
    }
    actions.notify(`No view has a row for ${machine}/${of.tid ?? of.vcpu ?? ''}.`);
  } catch (error) {
    actions.notify(errorText(error), 'error');
  }
  return false;
}
