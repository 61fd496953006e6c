// Decoder of the answer of api/states (little endian, see docs/page.md): per row and layer,
// stretches of pixels with one value. It is expanded to one code per pixel, which is what the
// renderer reads. Bytes are checked: a short or wrong answer throws DecodeError with the place, and
// nothing outside the buffer is read.

import { type AbsText, type Rel, toRel } from './time';

export class DecodeError extends Error {}

export const statesMagic = 0x54535356;

/**
 * Codes of one layer of one row: index into `names` + 1, 0 = no value; `share` = part of the
 * pixel's time, 0..255.
 */
export interface LayerPixels {
  codes: Uint16Array;
  share: Uint8Array;
}

export interface StatesAnswer {
  fromNs: AbsText;
  toNs: AbsText;
  from: Rel;
  to: Rel;
  pixels: number;
  layers: number;
  /** rows[i][layer], in the order of the request. */
  rows: LayerPixels[][];
  /** names[layer][code - 1]. */
  names: string[][];
  /** values[layer][code - 1]: the raw value of that code. */
  values: bigint[][];
}

class Cursor {
  offset = 0;
  private readonly view: DataView;
  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  need(count: number): void {
    if (this.offset + count > this.bytes.length) {
      throw new DecodeError(
        `states: ${count} bytes wanted at ${this.offset} of ${this.bytes.length}`,
      );
    }
  }
  u8(): number {
    this.need(1);
    return this.bytes[this.offset++] as number;
  }
  u16(): number {
    this.need(2);
    this.offset += 2;
    return this.view.getUint16(this.offset - 2, true);
  }
  u32(): number {
    this.need(4);
    this.offset += 4;
    return this.view.getUint32(this.offset - 4, true);
  }
  i64(): bigint {
    this.need(8);
    this.offset += 8;
    return this.view.getBigInt64(this.offset - 8, true);
  }
  /** A varint as a number; exact to 2^53, which is checked. */
  count(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER)
        throw new DecodeError(`states: number too large at ${this.offset}`);
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }
  /** A varint of up to 65 bits as text of its raw value; small ones (the usual) stay numbers. */
  raw(): number | bigint {
    let value = 0;
    let scale = 1;
    const start = this.offset;
    for (let i = 0; i < 7; ++i) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    this.offset = start;
    let big = 0n;
    for (let shift = 0n; shift <= 63n; shift += 7n) {
      const byte = this.u8();
      big |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return big <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(big) : big;
    }
    throw new DecodeError(`states: varint longer than 10 bytes at ${start}`);
  }
  text(length: number): string {
    this.need(length);
    this.offset += length;
    return new TextDecoder().decode(this.bytes.subarray(this.offset - length, this.offset));
  }
}

function unzigzag(raw: bigint): bigint {
  return (raw >> 1n) ^ -(raw & 1n);
}

/** Numbers the distinct raw values of one layer in order of appearance. */
class Coder {
  readonly codes = new Map<number | bigint, number>();
  readonly raws: Array<number | bigint> = [];
  code(raw: number | bigint): number {
    if (raw === 0) return 0;
    const known = this.codes.get(raw);
    if (known !== undefined) return known;
    this.raws.push(raw);
    if (this.raws.length > 0xffff)
      throw new DecodeError('states: more than 65,535 values in one layer');
    this.codes.set(raw, this.raws.length);
    return this.raws.length;
  }
}

function readLayer(cursor: Cursor, pixels: number, coder: Coder): LayerPixels {
  const codes = new Uint16Array(pixels);
  const share = new Uint8Array(pixels);
  const stretches = cursor.count();
  let at = 0;
  for (let i = 0; i < stretches; ++i) {
    const length = cursor.count();
    const code = coder.code(cursor.raw());
    const part = cursor.u8();
    if (at + length > pixels)
      throw new DecodeError(`states: a row is longer than ${pixels} pixels`);
    if (code !== 0) {
      codes.fill(code, at, at + length);
      share.fill(part, at, at + length);
    }
    at += length;
  }
  return { codes, share };
}

export function decodeStates(bytes: Uint8Array): StatesAnswer {
  const cursor = new Cursor(bytes);
  if (cursor.u32() !== statesMagic) throw new DecodeError('states: wrong magic number');
  const version = cursor.u16();
  if (version !== 1)
    throw new DecodeError(`states: version ${version}, this page reads 1; reload the page`);
  const layers = cursor.u16();
  const rowCount = cursor.u32();
  const pixels = cursor.u32();
  const from = cursor.i64();
  const to = cursor.i64();
  if (pixels > 16384) throw new DecodeError(`states: ${pixels} pixels`);
  if (rowCount * Math.max(1, layers) > bytes.length)
    throw new DecodeError(`states: ${rowCount} rows in ${bytes.length} bytes`);
  const coders = Array.from({ length: layers }, () => new Coder());
  const rows: LayerPixels[][] = [];
  for (let row = 0; row < rowCount; ++row)
    rows.push(coders.map((coder) => readLayer(cursor, pixels, coder)));
  const values = coders.map((coder) => coder.raws.map((raw) => unzigzag(BigInt(raw) - 1n)));
  const names = values.map((list) => list.map((value) => value.toString()));
  const entries = cursor.count();
  for (let i = 0; i < entries; ++i) {
    const layer = cursor.count();
    const value = BigInt(cursor.raw());
    const name = cursor.text(cursor.count());
    // The dictionary's values are zigzag numbers without the +1 of the stretches.
    const code = coders[layer]?.codes.get(narrow(value + 1n));
    const list = names[layer];
    if (code !== undefined && list) list[code - 1] = name;
  }
  return {
    fromNs: from.toString(),
    toNs: to.toString(),
    from: toRel(from),
    to: toRel(to),
    pixels,
    layers,
    rows,
    names,
    values,
  };
}

function narrow(value: bigint): number | bigint {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/**
 * The other direction, for the mock server and the tests. `rows[row][layer]` are [pixels, value or
 * null, share] lists.
 */
export function encodeStates(
  from: bigint,
  to: bigint,
  pixels: number,
  rows: Array<Array<Array<[number, bigint | null, number]>>>,
  dictionary: Array<[number, bigint, string]>,
): Uint8Array {
  const out: number[] = [];
  const varint = (value: bigint): void => {
    while (value >= 0x80n) {
      out.push(Number(value & 0x7fn) | 0x80);
      value >>= 7n;
    }
    out.push(Number(value));
  };
  const zigzag = (value: bigint): bigint => (value >= 0n ? value << 1n : (-value << 1n) - 1n);
  const fixed = (value: bigint, bytes: number): void => {
    for (let i = 0; i < bytes; ++i) out.push(Number((value >> BigInt(8 * i)) & 0xffn));
  };
  fixed(BigInt(statesMagic), 4);
  fixed(1n, 2);
  fixed(BigInt(rows[0]?.length ?? 0), 2);
  fixed(BigInt(rows.length), 4);
  fixed(BigInt(pixels), 4);
  fixed(BigInt.asUintN(64, from), 8);
  fixed(BigInt.asUintN(64, to), 8);
  for (const row of rows) {
    for (const layer of row) {
      varint(BigInt(layer.length));
      for (const [length, value, share] of layer) {
        varint(BigInt(length));
        varint(value === null ? 0n : zigzag(value) + 1n);
        out.push(share);
      }
    }
  }
  varint(BigInt(dictionary.length));
  for (const [layer, value, name] of dictionary) {
    varint(BigInt(layer));
    varint(zigzag(value));
    const text = new TextEncoder().encode(name);
    varint(BigInt(text.length));
    out.push(...text);
  }
  return new Uint8Array(out);
}
