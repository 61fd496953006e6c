// How the states of a row look: tables from the codes of a view's layers to fills, made again when
// names, colours, the highlighted machine or the filter change.

import type { State } from '../store';
import { filterOf, StateTest } from '../filter/evaluate';
import type { StatesCache } from './data';
import { type Lane, pathView } from './lanes';
import { buildTable, comboOfStyle, markRuns, type Style, type StyleTable } from './paint';
import {
  fade,
  fusedFill,
  isStolen,
  lookOf,
  machineColour,
  type Scheme,
  stateFill,
} from './palette';

export type RowLane = Lane & { kind: 'row' };

/** A run of one combination along a lane; `ns`: how long it lasts. */
export interface Run {
  from: number;
  to: number;
  combo: number;
  ns: number;
}

interface Kept {
  table: StyleTable;
  /** Combinations of the view's names; those from here on are the faded ones. */
  combos: number;
}

/** What decides over the looks of a lane. */
interface Choice {
  view: string;
  vcpu: boolean;
  faded: boolean;
  filter: string;
  test: StateTest | null;
}

function choiceOf(lane: RowLane, state: State): Choice {
  const { view, row } = lane;
  const filter = (lane.copy === undefined ? null : state.copies[lane.copy]?.filter) ?? state.filter;
  const verdict = filterOf(filter).filter.of(row, state.ranOn[view]);
  return {
    view,
    vcpu: row.kind === 'vcpu',
    faded: view !== 'fused' && state.machine !== null && state.machine !== row.machine,
    filter,
    test: verdict instanceof StateTest && view !== pathView ? verdict : null,
  };
}

type Made = Pick<State, 'machine' | 'filterHides' | 'copies'> & { all: string; scheme: Scheme };

export class Looks {
  private readonly tables = new Map<string, Kept>();
  /** What the tables were made for. */
  private made: Made | null = null;
  scheme: Scheme;

  constructor(
    private readonly cache: StatesCache,
    readonly layersOf: (view: string) => string[],
    scheme: Scheme,
  ) {
    this.scheme = scheme;
  }

  private sizes(view: string): number[] {
    return this.layersOf(view).map((layer) => this.cache.layerNames(layer).list.length);
  }

  table(lane: RowLane, state: State): StyleTable {
    return this.kept(choiceOf(lane, state), state).table;
  }

  private kept(choice: Choice, state: State): Kept {
    const { machine, filterHides, filter: all, copies } = state;
    const { made: last, scheme } = this;
    if (
      last === null ||
      machine !== last.machine ||
      filterHides !== last.filterHides ||
      all !== last.all ||
      copies !== last.copies ||
      scheme !== last.scheme
    ) {
      this.made = { machine, filterHides, all, copies, scheme };
      this.tables.clear();
    }
    const { view, vcpu, faded, filter, test } = choice;
    const sizes = this.sizes(view);
    const slot = `${view}/${vcpu}/${faded}/${sizes.join()}/${test?.id ?? ''}/${test ? filter : ''}`;
    const known = this.tables.get(slot);
    if (known) return known;
    const layers = this.layersOf(view);
    const combos = sizes.reduce((product, size) => product * size, 1);
    const look = (codes: number[], out: boolean): Style | null =>
      this.style(choice, layers, codes, out, state);
    const made = test?.byDuration
      ? {
          ...buildTable([2, ...sizes], this.scheme, ([out, ...codes]) => look(codes, out === 1)),
          ...{ sizes, key: sizes.join() },
        }
      : buildTable(sizes, this.scheme, (codes) => look(codes, this.misses(test, layers, codes)));
    this.tables.set(slot, { table: made, combos });
    return { table: made, combos };
  }

  private names(layers: string[], codes: number[]): string[] {
    return layers.map((layer, at) => this.cache.layerNames(layer).list[codes[at] as number] ?? '');
  }

  private misses(test: StateTest | null, layers: string[], codes: number[]): boolean {
    return test !== null && !test.holds(layers, this.names(layers, codes));
  }

  /** Fades the runs of a lane that the filter leaves out because of their length. */
  mark(lane: RowLane, state: State, styles: Uint32Array, width: number, length: RunLength): void {
    const choice = choiceOf(lane, state);
    const { test } = choice;
    if (!test?.byDuration) return;
    const { combos } = this.kept(choice, state);
    const layers = this.layersOf(lane.view);
    const known = new Map<number, boolean>();
    markRuns(styles, width, combos, (combo, from, to) => {
      const ns = length(from, to, combo);
      const key = combo * 65536 + (to - from);
      const inner = from > 0 && to < width;
      const before = inner ? known.get(key) : undefined;
      if (before !== undefined) return before;
      const keeps = test.holds(layers, this.comboNames(lane.view, combo), ns);
      if (inner) known.set(key, keeps);
      return keeps;
    });
  }

  comboNames(view: string, combo: number): string[] {
    return this.names(this.layersOf(view), this.codes(view, combo));
  }

  private codes(view: string, combo: number): number[] {
    const sizes = this.sizes(view);
    const codes: number[] = [];
    for (let layer = sizes.length - 1; layer >= 0; --layer) {
      codes[layer] = combo % (sizes[layer] as number);
      combo = Math.floor(combo / (sizes[layer] as number));
    }
    return codes;
  }

  /** How one run looks. */
  styleOf(lane: RowLane, run: Run, state: State): Style | null {
    const choice = choiceOf(lane, state);
    const layers = this.layersOf(lane.view);
    const codes = this.codes(lane.view, run.combo);
    const out =
      choice.test !== null && !choice.test.holds(layers, this.names(layers, codes), run.ns);
    return this.style(choice, layers, codes, out, state);
  }

  /** `out`: the filter leaves it out. */
  private style(
    choice: Choice,
    layers: string[],
    codes: number[],
    out: boolean,
    state: State,
  ): Style | null {
    if (out && state.filterHides) return null;
    const names = this.names(layers, codes);
    const name = (layer: string): string => names[layers.indexOf(layer)] ?? '';
    if (choice.view === 'fused') return this.fused(name, out, state);
    const belief = name('state') || (names[0] ?? '');
    const truth = name('effective');
    if (!belief && !truth) return null;
    const fill = (of: string) => stateFill(lookOf(of, choice.vcpu), this.scheme);
    const below = fill(belief || truth);
    const robbed = truth === 'deprived' || (truth === 'hypervisor' && belief !== 'blocked');
    const shown = robbed ? fill(truth) : below;
    const dim = (of: typeof below) => (choice.faded || out ? fade(of, this.scheme) : of);
    return { upper: dim(shown), lower: shown === below ? null : dim(below) };
  }

  private fused(name: (layer: string) => string, out: boolean, state: State): Style | null {
    const machine = name('machine');
    if (!machine && !name('state')) return null;
    const machines = state.experiment?.machines ?? [];
    const colour = machineColour(machine, machines, this.scheme);
    const fill = fusedFill(colour, name('condition'), name('state'), this.scheme);
    const other = state.machine !== null && state.machine !== machine;
    return { upper: other || out ? fade(fill, this.scheme) : fill, lower: null };
  }
}

/** How long the run in the columns [from, to) lasts, in ns. */
export type RunLength = (from: number, to: number, combo: number) => number;

/**
 * Runs of the columns; what goes on beyond the window lasts as long as the row's pixels say, and
 * endlessly where they end, too.
 */
export function runsOf(styles: Uint32Array, width: number, length: RunLength): Run[] {
  const out: Run[] = [];
  for (let from = 0; from < width; ) {
    const combo = comboOfStyle(styles[from] as number);
    let to = from + 1;
    while (to < width && comboOfStyle(styles[to] as number) === combo) ++to;
    out.push({ from, to, combo, ns: combo === 0 ? 0 : length(from, to, combo) });
    from = to;
  }
  return out;
}

/** One word for a lane's state: the host's truth where it contradicts the guest's belief. */
export function labelOf(names: string[], layers: string[]): string {
  const state = names[layers.indexOf('state')] ?? names[0] ?? '';
  const truth = names[layers.indexOf('effective')] ?? '';
  if (truth && isStolen(truth)) return `${truth}, believes ${state}`;
  if (state === 'blocked' || state === 'halted' || state === 'off' || state === 'exited') return '';
  return state || truth;
}
