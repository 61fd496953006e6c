import { expect, test } from 'vitest';
import { arrowLength, linkedRanks } from '../../src/timeline/order';
import { switchRows } from '../../src/timeline/RowsDialog';
import { periodic } from '../../src/timeline/places';
import { readSaved, withSaved } from '../../src/timeline/FilterBox';
import { readColours, textContrast } from '../../src/timeline/colours';
import type { Row } from '../../src/api';

const arrow = (from: number, to: number) => ({ from_row: from, to_row: to });

test('rows that arrows join stand next to each other; all rows keep a place', () => {
  const rows = Array.from({ length: 40 }, (_, i) => i);
  const arrows = [arrow(0, 39), arrow(39, 0), arrow(0, 20), arrow(5, 35), arrow(35, 10)];
  const ranks = linkedRanks(rows, arrows);
  expect([...ranks.keys()].sort((a, b) => a - b)).toEqual(rows);
  expect(new Set(ranks.values()).size).toBe(40);
  expect(arrowLength(ranks, arrows)).toBe(arrows.length);
  const before = new Map(rows.map((id) => [id, id]));
  expect(arrowLength(before, arrows)).toBeGreaterThan(100);
});

test('without arrows the order stays; arrows to rows that are not there and to itself say nothing', () => {
  const ranks = linkedRanks([7, 3, 5], [arrow(3, 3), arrow(7, 99)]);
  expect([...ranks].sort((a, b) => a[1] - b[1]).map(([id]) => id)).toEqual([7, 3, 5]);
});

const make = (id: number, parent: number): Row => ({
  ...{ id, parent, label: `row ${id}`, sub: '', machine: 'vm1', begin_ns: '0', end_ns: '1' },
  ...{ kind: parent < 0 ? 'group' : 'thread', cpu: null, vcpu: null, tid: id },
  ...{ has_data: true, ran_ns: '0' },
});

test('switching a row switches what is below it, and brings back what is above', () => {
  const rows = [make(0, -1), make(1, 0), make(2, 0), make(3, -1)];
  const off = switchRows('vms', rows, [0], false, {});
  expect(Object.keys(off).sort()).toEqual(['vms:0', 'vms:1', 'vms:2']);
  expect(Object.keys(switchRows('vms', rows, [2], true, off))).toEqual(['vms:1']);
  expect(switchRows('vms', rows, [0], true, off)).toEqual({});
  expect(switchRows('vms', rows, [3], true, { 'control:3': true })).toEqual({ 'control:3': true });
});

test('marks that come again: the next and the one before, from the first to the end', () => {
  const period = { every: 10, from: 100 };
  const limit = { from: 0, to: 125 };
  expect(periodic(period, 100, 1, limit)?.from).toBe(110);
  expect(periodic(period, 115, -1, limit)?.from).toBe(110);
  expect(periodic(period, 0, 1, limit)).toBeUndefined();
  expect(periodic(period, 100, -1, limit)).toBeUndefined();
  expect(periodic(period, 121, 1, limit)).toBeUndefined();
  expect(periodic(null, 100, 1, limit)).toBeUndefined();
});

test('saved filters: four, newest first, without doubles; rubbish counts as none', () => {
  expect(withSaved(['a', 'b', 'c', 'd'], 'e')).toEqual(['e', 'a', 'b', 'c']);
  expect(withSaved(['a', 'b'], 'b')).toEqual(['b', 'a']);
  for (const text of [null, '', '{', '{}', '3', 'null', '[1,null]'])
    expect(readSaved(text)).toEqual([]);
  expect(readSaved('["a","b","c","d","e"]')).toHaveLength(4);
});

test('colours of the browser: plain hex only, and text on any of them can be read', () => {
  expect(readColours('{"guest":"#112233","x":"red","y":3,"@vm1":"#ABCDEF"}')).toEqual({
    guest: '#112233',
    '@vm1': '#abcdef',
  });
  for (const text of [null, '', '[', 'null', '"#112233"', '{"a":"url(x)"}'])
    expect(readColours(text)).toEqual({});
  for (let i = 0; i < 4096; i += 7) {
    const hex = `#${[i >> 8, (i >> 4) & 15, i & 15].map((part) => (part * 17).toString(16).padStart(2, '0')).join('')}`;
    expect(textContrast(hex), hex).toBeGreaterThanOrEqual(4.5);
  }
});
