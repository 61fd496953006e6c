// An order of rows in which arrows are short. Finding the best one is hard (minimum linear
// arrangement), so it is made greedily: rows that more arrows join are put together first, at the
// nearer ends of the chains that they are in, as Kruskal's method joins trees.

import type { Arrow } from '../api';

type Pair = { a: number; b: number; weight: number };

function pairsOf(arrows: ReadonlyArray<Pick<Arrow, 'from_row' | 'to_row'>>): Pair[] {
  const out = new Map<string, Pair>();
  for (const { from_row: from, to_row: to } of arrows) {
    if (from === to) continue;
    const [a, b] = from < to ? [from, to] : [to, from];
    const known = out.get(`${a}/${b}`);
    if (known) ++known.weight;
    else out.set(`${a}/${b}`, { a, b, weight: 1 });
  }
  return [...out.values()].sort((x, y) => y.weight - x.weight || x.a - y.a || x.b - y.b);
}

/** Sum of the lengths of all arrows, in rows. */
export function arrowLength(
  ranks: ReadonlyMap<number, number>,
  arrows: ReadonlyArray<Pick<Arrow, 'from_row' | 'to_row'>>,
): number {
  return arrows.reduce((sum, { from_row: from, to_row: to }) => {
    const [a, b] = [ranks.get(from), ranks.get(to)];
    return a === undefined || b === undefined ? sum : sum + Math.abs(a - b);
  }, 0);
}

/** Places by row; rows without arrows come last, in the order in which they were. */
export function linkedRanks(
  rows: readonly number[],
  arrows: ReadonlyArray<Pick<Arrow, 'from_row' | 'to_row'>>,
): Map<number, number> {
  const chains = new Map<number, number[]>(rows.map((id) => [id, [id]]));
  for (const { a, b } of pairsOf(arrows)) {
    const [one, other] = [chains.get(a), chains.get(b)];
    if (!one || !other || one === other) continue;
    // The two rows come as close together as whole chains can.
    if (one.indexOf(a) < one.length / 2) one.reverse();
    if (other.indexOf(b) >= other.length / 2) other.reverse();
    const joined = [...one, ...other];
    for (const id of joined) chains.set(id, joined);
  }
  const known = new Set(chains.values());
  const largest = [...known].sort((x, y) => y.length - x.length);
  return new Map(largest.flat().map((id, at) => [id, at]));
}
