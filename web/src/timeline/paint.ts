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
  /** Style numbers of all pixels, made when first drawn; valid for tables of these sizes. */
  styled?: { sizes: string; styles: Uint32Array };
}

/** What is above and below in a lane; `lower` null: the same everywhere. */
export interface Style {
  upper: Fill;
  lower: Fill | null;
}

const shareSteps = 4;
/** No style has this number. */
const notYet = 0xffffffff;

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
  /** The pixel that the middle of each column falls into, -1 outside. */
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
  for (let x = 0; x < width; ++x) {
    const at = Math.floor((from + (x + 0.5) * step - source.from) * scale);
    middle[x] = at >= 0 && at < source.pixels ? at : -1;
  }
  if (step * scale <= 1) return { middle, first: null };
  const first = new Int32Array(width + 1);
  for (let x = 0; x <= width; ++x) {
    const at = Math.floor((from + x * step - source.from) * scale);
    first[x] = Math.max(0, Math.min(source.pixels, at));
  }
  return { middle, first };
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

/**
 * Style numbers per column; columns that no source covers get combination 0. `sources` in order of
 * preference.
 */
export function styleColumns(
  sources: ReadonlyArray<{ row: RowPixels; columns: Columns }>,
  table: StyleTable,
  width: number,
  out: Uint32Array,
): void {
  let left = width;
  sources.forEach(({ row, columns: { middle, first } }, index) => {
    if (left === 0) return;
    const styles = stylesOf(row, table);
    left = 0;
    for (let x = 0; x < width; ++x) {
      if (index > 0 && out[x] !== notYet) continue;
      const at = middle[x] as number;
      if (at >= 0) {
        const style = styles[at] as number;
        out[x] = style < shareSteps && first ? beside(styles, first, x) : style;
      } else {
        out[x] = notYet;
        ++left;
      }
    }
  });
  if (sources.length === 0) out.fill(0, 0, width);
  else if (left > 0) for (let x = 0; x < width; ++x) if (out[x] === notYet) out[x] = 0;
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

/** One scan line, line `line` of the patterns. Long runs of one colour are filled. */
function paintLine(
  pixels: Uint32Array,
  at: number,
  styles: Uint32Array,
  table: StyleTable,
  low: boolean,
  line: number,
): void {
  const colours = low ? table.lower : table.upper;
  const bit = low ? 2 : 1;
  const width = styles.length;
  for (let x = 0; x < width; ) {
    const style = styles[x] as number;
    const begin = x;
    while (++x < width && styles[x] === style);
    const base = (style << 6) | (line << 3);
    if (x - begin >= shortRun && ((table.plain[style] as number) & bit) !== 0) {
      pixels.fill(colours[base] as number, at + begin, at + x);
    } else {
      for (let i = begin; i < x; ++i) pixels[at + i] = colours[base | (i & 7)] as number;
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
  const lowest = Math.max(2, Math.floor(height / 3));
  const splitAt = table.split && height >= 5 ? top + height - lowest : top + height;
  for (let y = first; y < last; ++y) {
    const low = y >= splitAt;
    const twin = y - 8;
    const at = y * width;
    if (twin >= first && (low ? twin >= splitAt : true)) {
      pixels.copyWithin(at, twin * width, twin * width + width);
      continue;
    }
    paintLine(pixels, at, styles, table, low, (y - top) & 7);
  }
}
