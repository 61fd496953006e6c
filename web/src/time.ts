// Times. The server speaks absolute nanoseconds as decimal strings (int64); the page computes with
// plain numbers relative to the begin of the experiment, exact up to 2^53 ns, which is 104 days.
// Both conversions live here only.

/** Nanoseconds since the begin of the experiment. */
export type Rel = number;

/** Absolute nanoseconds as the server writes them. */
export type AbsText = string;

export interface Span {
  from: Rel;
  to: Rel;
}

let originNs = 0n;
let epoch = false;

/** Sets the origin; call once per experiment, before any conversion. */
export function setOrigin(beginNs: AbsText, isEpoch: boolean): void {
  originNs = BigInt(beginNs);
  epoch = isEpoch;
}

/** A span at whole nanoseconds, which is what links and the server can say. */
export function wholeSpan(from: Rel, to: Rel): Span {
  return { from: Math.round(from), to: Math.round(to) };
}

export function toRel(abs: AbsText | number | bigint): Rel {
  return Number(BigInt(abs) - originNs);
}

export function toAbs(rel: Rel): AbsText {
  return (originNs + BigInt(Math.round(rel))).toString();
}

const units: ReadonlyArray<readonly [number, string]> = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
];

/** A duration with three significant digits: 2.74 s, 765 ms, 33.2 µs, 7 ns. */
export function formatDuration(ns: number): string {
  const size = Math.abs(ns);
  if (size === 0) return '0 ns';
  for (const [unit, name] of units) {
    if (size >= unit || unit === 1) {
      const value = size / unit;
      const digits = unit === 1 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
      return `${ns < 0 ? '−' : ''}${value.toFixed(digits)} ${name}`;
    }
  }
  return `${ns} ns`;
}

function groups(digits: string): string {
  return digits.replace(/(\d{3})(?=\d)/g, '$1 ');
}

/** Seconds since the begin with as many decimals as `stepNs` (distance of two ticks) needs. */
export function formatRel(rel: Rel, stepNs = 1): string {
  const decimals = Math.max(0, Math.min(9, Math.ceil(9 - Math.log10(Math.max(1, stepNs)) - 1e-9)));
  const negative = rel < 0;
  const ns = BigInt(Math.round(Math.abs(rel)));
  const seconds = ns / 1000000000n;
  const fraction = (ns % 1000000000n).toString().padStart(9, '0').slice(0, decimals);
  return `${negative ? '−' : ''}${seconds}${decimals > 0 ? '.' + groups(fraction) : ''}`;
}

/** The absolute time: a date where the clock is the epoch's, else seconds of the trace's clock. */
export function formatAbs(rel: Rel): string {
  const abs = originNs + BigInt(Math.round(rel));
  const seconds = abs / 1000000000n;
  const fraction = (abs % 1000000000n).toString().padStart(9, '0');
  if (!epoch) return `${seconds}.${groups(fraction)} s`;
  const date = new Date(Number(seconds) * 1000).toISOString();
  return `${date.slice(0, 19).replace('T', ' ')}.${groups(fraction)}`;
}

/**
 * What a user types into "go to time": `1.5s`, `200ms`, `3us` (since the begin), `+5ms` / `-5ms`
 * (from `now`), or absolute nanoseconds (>= 10 digits without unit). Null when it is none of them.
 */
export function parseTime(text: string, now: Rel): Rel | null {
  const clean = text.trim().replace(/[\s_,]/g, '');
  if (/^\d{10,19}$/.test(clean)) return toRel(clean);
  const match = /^([+-]?)(\d+(?:\.\d+)?)(s|ms|us|µs|ns)?$/.exec(clean);
  if (!match) return null;
  const unit = { s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 }[match[3] ?? 's'] ?? 1e9;
  const value = Number(match[2]) * unit;
  if (match[1] === '+') return now + value;
  if (match[1] === '-') return now - value;
  return value;
}

/** Distance of ticks: 1, 2 or 5 times a power of ten, at least `minPixels` apart. */
export function tickStep(spanNs: number, widthPx: number, minPixels: number): number {
  const raw = (spanNs / Math.max(1, widthPx)) * minPixels;
  const power = Math.pow(10, Math.floor(Math.log10(Math.max(1, raw))));
  for (const factor of [1, 2, 5, 10]) if (factor * power >= raw) return Math.max(1, factor * power);
  return 10 * power;
}

/**
 * The span scaled by `factor` around `centre`, which keeps its place; never below `minNs`, never
 * outside `limit`.
 */
export function zoomSpan(span: Span, centre: Rel, factor: number, limit: Span, minNs = 20): Span {
  const length = Math.min(Math.max((span.to - span.from) * factor, minNs), limit.to - limit.from);
  const share = (centre - span.from) / (span.to - span.from);
  const from = centre - share * length;
  return clampSpan({ from, to: from + length }, limit);
}

/** Moves the span by `delta` without leaving `limit`. */
export function panSpan(span: Span, delta: number, limit: Span): Span {
  return clampSpan({ from: span.from + delta, to: span.to + delta }, limit);
}

/** Shifts (not cuts) a span into `limit`; one longer than the limit becomes the limit. */
export function clampSpan(span: Span, limit: Span): Span {
  const length = span.to - span.from;
  if (length >= limit.to - limit.from) return { from: limit.from, to: limit.to };
  if (span.from < limit.from) return { from: limit.from, to: limit.from + length };
  if (span.to > limit.to) return { from: limit.to - length, to: limit.to };
  return span;
}
