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
    }
  }
  return { sizes, upper, lower, split };
}

function writeFill(out: Uint32Array, at: number, fill: Fill, step: number, scheme: Scheme): void {
  const share = 0.4 + (0.6 * step) / (shareSteps - 1);
  const base = pack(mix(fill.base, scheme.background, share));
  const ink = pack(mix(fill.ink, scheme.background, share));
  for (let y = 0; y < 8; ++y)
    for (let x = 0; x < 8; ++x) out[at + y * 8 + x] = patternMask(fill.pattern, x, y) ? ink : base;
}

/** For every column of the window the pixel of `source` that its middle falls into, -1 outside. */
export function columns(
  source: Geometry,
  from: number,
  to: number,
  width: number,
  out = new Int32Array(width),
): Int32Array {
  const scale = source.pixels / (source.to - source.from);
  const step = (to - from) / width;
  for (let x = 0; x < width; ++x) {
    const at = Math.floor((from + (x + 0.5) * step - source.from) * scale);
    out[x] = at >= 0 && at < source.pixels ? at : -1;
  }
  return out;
}

/**
 * Style numbers per column; columns that no source covers get combination 0. `sources` in order of
 * preference.
 */
export function styleColumns(
  sources: ReadonlyArray<{ row: RowPixels; columns: Int32Array }>,
  table: StyleTable,
  width: number,
  out: Uint16Array | Uint32Array,
): void {
  const { sizes } = table;
  for (let x = 0; x < width; ++x) {
    let style = 0;
    for (const source of sources) {
      const at = source.columns[x] as number;
      if (at < 0) continue;
      const { codes, share } = source.row;
      let combo = 0;
      for (let layer = 0; layer < codes.length; ++layer)
        combo = combo * (sizes[layer] as number) + ((codes[layer] as Uint16Array)[at] as number);
      style = combo * shareSteps + ((share[at] as number) >> 6);
      break;
    }
    out[x] = style;
  }
}

export function comboOfStyle(style: number): number {
  return Math.floor(style / shareSteps);
}

export interface Surface {
  pixels: Uint32Array;
  width: number;
  height: number;
}

/** Paints one lane; clips at the surface's edges. */
export function paintLane(
  surface: Surface,
  top: number,
  height: number,
  styles: Uint16Array | Uint32Array,
  table: StyleTable,
): void {
  const { pixels, width } = surface;
  const first = Math.max(0, top);
  const last = Math.min(surface.height, top + height);
  const splitAt =
    table.split && height >= 5 ? top + height - Math.max(2, Math.floor(height / 3)) : top + height;
  for (let y = first; y < last; ++y) {
    const low = y >= splitAt;
    const twin = y - 8;
    const at = y * width;
    if (twin >= first && (low ? twin >= splitAt : true)) {
      pixels.copyWithin(at, twin * width, twin * width + width);
      continue;
    }
    const colours = low ? table.lower : table.upper;
    const line = ((y - top) & 7) << 3;
    for (let x = 0; x < width; ++x)
      pixels[at + x] = colours[((styles[x] as number) << 6) | line | (x & 7)] as number;
  }
}
