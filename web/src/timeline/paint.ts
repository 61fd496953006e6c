// The renderer's inner part: codes per pixel to pixels of an ImageData. No drawing calls: a table
// holds the colour of every (style, y mod 8, x mod 8), so patterns cost nothing more than plain
// colours, and a lane's later scan lines are copies.

import { type Fill, mix, pack, patternMask, type Scheme } from './palette';

/** Pixels that data of one span are known for. */
export interface Geometry {
  from: number;
  to: number;
  pixels: number;
}

export interface RowPixels {
  geometry: Geometry;
  /** One array per layer. */
  codes: Uint16Array[];
  share: Uint8Array;
  /** Of the part of the experiment that it was made from (ShownPart). */
  part?: number;
  /** Style numbers of all pixels, made when first drawn; valid for tables of these sizes. */
  styled?: { sizes: string; styles: Uint32Array };
}

/** What is above and below in a lane; `lower` null: the same everywhere. */
export interface Style {
  upper: Fill;
  lower: Fill | null;
}

const shareSteps = 4;

export interface StyleTable {
  /** Number of codes per layer, zero included. */
  sizes: number[];
  /** The same as text, to compare. */
  key: string;
  /** 1: the style has one colour above (bit 0), below (bit 1). */
  plain: Uint8Array;
  upper: Uint32Array;
  lower: Uint32Array;
  split: boolean;
}

/**
 * Builds the table over all combinations of codes. `styleOf` gets one code per layer; null is
 * background.
 */
export function buildTable(
  sizes: number[],
  scheme: Scheme,
  styleOf: (codes: number[]) => Style | null,
): StyleTable {
  const combos = sizes.reduce((product, size) => product * size, 1);
  const upper = new Uint32Array(combos * shareSteps * 64);
  const lower = new Uint32Array(combos * shareSteps * 64);
  const plain = new Uint8Array(combos * shareSteps);
  let split = false;
  const codes = sizes.map(() => 0);
  const back: Fill = { base: scheme.background, ink: scheme.background, pattern: 'solid' };
  for (let combo = 0; combo < combos; ++combo) {
    let rest = combo;
    for (let layer = sizes.length - 1; layer >= 0; --layer) {
      codes[layer] = rest % (sizes[layer] as number);
      rest = Math.floor(rest / (sizes[layer] as number));
    }
    const style = styleOf(codes);
    if (style?.lower) split = true;
    for (let step = 0; step < shareSteps; ++step) {
      const at = (combo * shareSteps + step) * 64;
      writeFill(upper, at, style?.upper ?? back, step, scheme);
      writeFill(lower, at, style?.lower ?? style?.upper ?? back, step, scheme);
      plain[combo * shareSteps + step] =
        (isPlain(style?.upper ?? back) ? 1 : 0) |
        (isPlain(style?.lower ?? style?.upper ?? back) ? 2 : 0);
    }
  }
  return { sizes, key: sizes.join(), plain, upper, lower, split };
}

function isPlain(fill: Fill): boolean {
  return fill.pattern === 'solid';
}

function writeFill(out: Uint32Array, at: number, fill: Fill, step: number, scheme: Scheme): void {
  const share = 0.4 + (0.6 * step) / (shareSteps - 1);
  const base = pack(mix(fill.base, scheme.background, share));
  const ink = pack(mix(fill.ink, scheme.background, share));
  for (let y = 0; y < 8; ++y)
    for (let x = 0; x < 8; ++x) out[at + y * 8 + x] = patternMask(fill.pattern, x, y) ? ink : base;
}

/** Which pixels of a source the columns of a window show. */
export interface Columns {
  /** The columns [begin, end) lie in the source. */
  begin: number;
  end: number;
  /** The pixel that the middle of each of them falls into. */
  middle: Int32Array;
  /**
   * Where several pixels fall into a column: the first one of each, and at the end where the last
   * column ends. Null where none is left out.
   */
  first: Int32Array | null;
}

export function columns(source: Geometry, from: number, to: number, width: number): Columns {
  const scale = source.pixels / (source.to - source.from);
  const step = (to - from) / width;
  const middle = new Int32Array(width);
  let begin = width;
  let end = 0;
  for (let x = 0; x < width; ++x) {
    const at = Math.floor((from + (x + 0.5) * step - source.from) * scale);
    if (at < 0 || at >= source.pixels) continue;
    middle[x] = at;
    begin = Math.min(begin, x);
    end = x + 1;
  }
  if (step * scale <= 1) return { begin, end, middle, first: null };
  const first = new Int32Array(width + 1);
  for (let x = 0; x <= width; ++x) {
    const at = Math.floor((from + x * step - source.from) * scale);
    first[x] = Math.max(0, Math.min(source.pixels, at));
  }
  return { begin, end, middle, first };
}

/** Something that is in a column beside its middle, where nothing is: what is rare must show. */
function beside(styles: Uint32Array, first: Int32Array, x: number): number {
  const end = first[x + 1] as number;
  for (let at = first[x] as number; at < end; ++at) {
    const style = styles[at] as number;
    if (style >= shareSteps) return style;
  }
  return 0;
}

/** Style numbers of all pixels of a row. */
function stylesOf(row: RowPixels, table: StyleTable): Uint32Array {
  if (row.styled?.sizes === table.key) return row.styled.styles;
  const { codes, share } = row;
  const styles = new Uint32Array(share.length);
  codes.forEach((layer, at) => {
    const size = table.sizes[at] as number;
    for (let i = 0; i < styles.length; ++i)
      styles[i] = (styles[i] as number) * size + (layer[i] as number);
  });
  for (let i = 0; i < styles.length; ++i)
    styles[i] = (styles[i] as number) * shareSteps + ((share[i] as number) >> 6);
  row.styled = { sizes: table.key, styles };
  return styles;
}

/** Style numbers of the columns [begin, end). */
function styleSpan(
  styles: Uint32Array,
  { middle, first }: Columns,
  begin: number,
  end: number,
  out: Uint32Array,
): void {
  for (let x = begin; x < end; ++x) out[x] = styles[middle[x] as number] as number;
  if (!first) return;
  for (let x = begin; x < end; ++x)
    if ((out[x] as number) < shareSteps) out[x] = beside(styles, first, x);
}

export interface Source {
  row: RowPixels;
  columns: Columns;
}

/**
 * Style numbers per column; columns that no source covers get combination 0. `sources` in order of
 * preference; a later one fills what the ones before leave at both sides.
 */
export function styleColumns(
  sources: readonly Source[],
  table: StyleTable,
  width: number,
  out: Uint32Array,
): void {
  out.fill(0, 0, width);
  let low = width;
  let high = width;
  for (const { row, columns: place } of sources) {
    const { begin, end } = place;
    if (begin >= end || (begin >= low && end <= high)) continue;
    const styles = stylesOf(row, table);
    styleSpan(styles, place, begin, Math.min(end, low), out);
    styleSpan(styles, place, Math.max(begin, high), end, out);
    low = Math.min(low, begin);
    high = high === width ? end : Math.max(high, end);
  }
}

/**
 * Gives runs of one combination another look where `keeps` says so. `other`: how much larger the
 * combination of that look is. `keeps` gets a run's columns [from, to).
 */
export function markRuns(
  styles: Uint32Array,
  width: number,
  other: number,
  keeps: (combo: number, from: number, to: number) => boolean,
): void {
  for (let from = 0; from < width; ) {
    const combo = comboOfStyle(styles[from] as number);
    let to = from + 1;
    while (to < width && comboOfStyle(styles[to] as number) === combo) ++to;
    if (combo !== 0 && !keeps(combo, from, to))
      for (let x = from; x < to; ++x) styles[x] = (styles[x] as number) + other * shareSteps;
    from = to;
  }
}

/**
 * How far a combination goes on from a moment, ns. Endlessly (Infinity) where the row's pixels end
 * with it, unless they are those of the whole experiment.
 */
export function beyond(
  row: RowPixels,
  styles: Uint32Array,
  moment: number,
  step: 1 | -1,
  combo: number,
  limit: { from: number; to: number },
): number {
  const { from, to, pixels } = row.geometry;
  const ns = (to - from) / pixels;
  let at = Math.floor((moment - from) / ns) + (step < 0 ? -1 : 0);
  let count = 0;
  for (; at >= 0 && at < pixels; at += step, ++count)
    if (comboOfStyle(styles[at] as number) !== combo) return count * ns;
  const whole = step < 0 ? from <= limit.from : to >= limit.to;
  return whole ? count * ns : Infinity;
}

export function comboOfStyle(style: number): number {
  return Math.floor(style / shareSteps);
}

export interface Surface {
  pixels: Uint32Array;
  width: number;
  height: number;
}

const shortRun = 12;

/** Where a run of one style begins, and at the end the width; the memory is used again. */
let runStarts = new Int32Array(0);

function findRuns(styles: Uint32Array): number {
  if (runStarts.length <= styles.length) runStarts = new Int32Array(styles.length + 1);
  let count = 0;
  let last = -1;
  for (let x = 0; x < styles.length; ++x) {
    const style = styles[x] as number;
    if (style === last) continue;
    last = style;
    runStarts[count++] = x;
  }
  runStarts[count] = styles.length;
  return count;
}

/** Whether all scan lines of the upper (bit 1) or lower (bit 2) part are alike. */
function alike(styles: Uint32Array, runs: number, table: StyleTable, bit: number): boolean {
  for (let i = 0; i < runs; ++i) {
    const style = styles[runStarts[i] as number] as number;
    if (((table.plain[style] as number) & bit) === 0) return false;
  }
  return true;
}

/** One scan line, line `line` of the patterns. Long runs of one colour are filled. */
function paintLine(
  pixels: Uint32Array,
  at: number,
  styles: Uint32Array,
  runs: number,
  table: StyleTable,
  low: boolean,
  line: number,
): void {
  const colours = low ? table.lower : table.upper;
  const bit = low ? 2 : 1;
  for (let i = 0; i < runs; ++i) {
    const begin = runStarts[i] as number;
    const end = runStarts[i + 1] as number;
    const style = styles[begin] as number;
    const base = (style << 6) | (line << 3);
    if (((table.plain[style] as number) & bit) === 0) {
      for (let x = begin; x < end; ++x) pixels[at + x] = colours[base | (x & 7)] as number;
    } else if (end - begin >= shortRun) {
      pixels.fill(colours[base] as number, at + begin, at + end);
    } else {
      const colour = colours[base] as number;
      for (let x = begin; x < end; ++x) pixels[at + x] = colour;
    }
  }
}

/** Paints one lane; clips at the surface's edges. */
export function paintLane(
  surface: Surface,
  top: number,
  height: number,
  styles: Uint32Array,
  table: StyleTable,
): void {
  const { pixels, width } = surface;
  const first = Math.max(0, top);
  const last = Math.min(surface.height, top + height);
  if (first >= last) return;
  const lowest = Math.max(2, Math.floor(height / 3));
  const splitAt = table.split && height >= 5 ? top + height - lowest : top + height;
  const runs = findRuns(styles);
  const plainUpper = alike(styles, runs, table, 1);
  const plainLower = splitAt >= last || alike(styles, runs, table, 2);
  for (let y = first; y < last; ++y) {
    const low = y >= splitAt;
    // The line before it that looks the same: patterns repeat after eight.
    const twin = y - ((low ? plainLower : plainUpper) ? 1 : 8);
    const at = y * width;
    if (twin >= (low ? Math.max(first, splitAt) : first))
      pixels.copyWithin(at, twin * width, twin * width + width);
    else paintLine(pixels, at, styles, runs, table, low, (y - top) & 7);
  }
}
