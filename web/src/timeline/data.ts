// States of rows, fetched as the window moves. Per row two sets are kept: one of the whole
// experiment, coarse, which is always there to draw with, and one around the window at twice the
// screen's resolution. One request per view and kind of row is under way at a time; what is on the
// screen is drawn from what is there, never waited for.

import { api, type Row } from '../api';
import { loadRows } from '../start';
import type { LayerPixels } from '../states';
import { store } from '../store';
import { toAbs } from '../time';
import type { Geometry, RowPixels } from './paint';

const coarsePixels = 2048;
const rowsPerRequest = 400;
const keptRows = 4000;
/** The server knows no states below a nanosecond per pixel. */
const finestNs = 1;

/** Numbers names per layer; the same in all answers. 0 is "nothing". */
export class Names {
  private readonly byName = new Map<string, number>();
  readonly list: string[] = [''];
  code(name: string): number {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    this.list.push(name);
    this.byName.set(name, this.list.length - 1);
    return this.list.length - 1;
  }
}

/** The fullest layer's share: a row without a value in one layer is not faint because of that. */
function mostOf(layers: LayerPixels[], pixels: number): Uint8Array {
  const out = new Uint8Array(pixels);
  for (const { share } of layers)
    for (let i = 0; i < pixels; ++i)
      if ((share[i] as number) > (out[i] as number)) out[i] = share[i] as number;
  return out;
}

interface Kept {
  coarse: RowPixels | null;
  fine: RowPixels | null;
}

function covers(pixels: RowPixels | null, want: Geometry): boolean {
  if (!pixels) return false;
  const have = pixels.geometry;
  const resolution = (have.to - have.from) / have.pixels;
  const wanted = (want.to - want.from) / want.pixels;
  return (
    have.from <= want.from && have.to >= want.to && resolution <= Math.max(finestNs, wanted * 1.6)
  );
}

/** The number of the part that is shown; pictures of an earlier one stay until theirs are there. */
function partNow(): number {
  return store.get().experiment?.shown?.number ?? 0;
}

export class StatesCache {
  readonly names = new Map<string, Names>();
  private readonly rows = new Map<string, Kept>();
  private readonly busy = new Set<string>();
  private failedUntil = 0;

  constructor(private readonly changed: () => void) {}

  layerNames(layer: string): Names {
    let names = this.names.get(layer);
    if (!names) {
      names = new Names();
      this.names.set(layer, names);
    }
    return names;
  }

  get(view: string, id: number): Kept | undefined {
    return this.rows.get(`${view}.${id}`);
  }

  clear(): void {
    this.rows.clear();
  }

  /** Asks for what `rows` of a view need to fill `want`, if it is not there or on its way. */
  ensure(view: string, layers: string[], rows: Row[], want: Geometry): void {
    if (performance.now() < this.failedUntil || layers.length === 0) return;
    const kinds = new Map<string, Row[]>();
    for (const row of rows) {
      if (row.kind === 'group') continue;
      const list = kinds.get(row.kind);
      if (list) list.push(row);
      else kinds.set(row.kind, [row]);
    }
    for (const [kind, list] of kinds) this.ensureKind(`${view}/${kind}`, view, layers, list, want);
  }

  private ensureKind(
    key: string,
    view: string,
    layers: string[],
    rows: Row[],
    want: Geometry,
  ): void {
    if (this.busy.has(key)) return;
    const { limit } = store.get();
    const part = partNow();
    const noCoarse = rows
      .filter((row) => this.get(view, row.id)?.coarse?.part !== part)
      .slice(0, rowsPerRequest);
    if (noCoarse.length > 0) {
      void this.fetch(key, view, layers, noCoarse, { ...limit, pixels: coarsePixels }, 'coarse');
      return;
    }
    const lacking = rows.some((row) => {
      const kept = this.get(view, row.id);
      const fine = kept?.fine ?? null;
      return !(fine?.part === part && covers(fine, want)) && !covers(kept?.coarse ?? null, want);
    });
    if (!lacking) return this.forgetOld(view, rows, part);
    const room = (want.to - want.from) / 2;
    const from = Math.floor(Math.max(limit.from, want.from - room));
    const to = Math.ceil(Math.min(limit.to, want.to + room));
    const pixels = Math.min(
      16384,
      Math.max(
        1,
        Math.min(to - from, Math.ceil(((to - from) / (want.to - want.from)) * want.pixels)),
      ),
    );
    void this.fetch(key, view, layers, rows.slice(0, rowsPerRequest), { from, to, pixels }, 'fine');
  }

  private async fetch(
    key: string,
    view: string,
    layers: string[],
    rows: Row[],
    ask: Geometry,
    which: 'coarse' | 'fine',
  ): Promise<void> {
    this.busy.add(key);
    const part = partNow();
    try {
      const answer = await api.states({
        view,
        layers,
        rows: rows.map((row) => row.id),
        from_ns: toAbs(ask.from),
        to_ns: toAbs(ask.to),
        pixels: ask.pixels,
      });
      const maps = answer.names.map((list, layer) => {
        const names = this.layerNames(layers[layer] ?? '');
        return Uint16Array.from([0, ...list.map((name) => names.code(name))]);
      });
      const geometry: Geometry = { from: answer.from, to: answer.to, pixels: answer.pixels };
      answer.rows.forEach((row, index) => {
        const codes = row.map((layer, at) => {
          const map = maps[at] as Uint16Array;
          const { codes: own } = layer;
          for (let i = 0; i < own.length; ++i) own[i] = map[own[i] as number] as number;
          return own;
        });
        this.keep(view, rows[index] as Row, which, {
          geometry,
          codes,
          share: mostOf(row, geometry.pixels),
          part,
        });
      });
    } catch (error) {
      this.failedUntil = performance.now() + 2000;
      store.set({
        notice: { kind: 'error', text: `States of ${view}: ${String((error as Error).message)}` },
      });
      setTimeout(this.changed, 2100);
    } finally {
      this.busy.delete(key);
      this.changed();
    }
  }

  /** Finer pictures of an earlier part, where the whole one of this part is as sharp. */
  private forgetOld(view: string, rows: Row[], part: number): void {
    let forgotten = false;
    for (const row of rows) {
      const kept = this.get(view, row.id);
      if (!kept?.fine || kept.fine.part === part) continue;
      kept.fine = null;
      forgotten = true;
    }
    if (forgotten) this.changed();
  }

  private keep(view: string, row: Row, which: 'coarse' | 'fine', pixels: RowPixels): void {
    const key = `${view}.${row.id}`;
    const kept = this.rows.get(key) ?? { coarse: null, fine: null };
    kept[which] = pixels;
    this.rows.delete(key);
    this.rows.set(key, kept);
    if (this.rows.size > keptRows) this.rows.delete(this.rows.keys().next().value as string);
  }

  idle(): boolean {
    return this.busy.size === 0;
  }
}

const loading = new Set<string>();

/** Rows of the open views, each once. */
export function ensureRows(views: readonly string[]): void {
  for (const view of views) {
    if (store.get().rows[view] || loading.has(view)) continue;
    loading.add(view);
    loadRows(view)
      .catch((error: Error) =>
        store.set({
          rows: { ...store.get().rows, [view]: [] },
          notice: { kind: 'error', text: `Rows of ${view}: ${error.message}` },
        }),
      )
      .finally(() => loading.delete(view));
  }
}
