import { expect, test } from 'vitest';
import type { Row } from '../../src/api';
import { flatten, rowMatcher } from '../../src/timeline/lanes';
import { buildTable, columns, paintLane, styleColumns } from '../../src/timeline/paint';
import { darkScheme, isStolen, pack, stateFill, stolen } from '../../src/timeline/palette';

const red = { base: [255, 0, 0] as const, ink: [255, 0, 0] as const, pattern: 'solid' as const };

test('columns map a window into data, -1 where there is none', () => {
  expect([...columns({ from: 0, to: 100, pixels: 10 }, -20, 120, 7)]).toEqual([
    -1, 1, 3, 5, 7, 9, -1,
  ]);
});

test('fine data goes before coarse, and lanes stay inside their rows', () => {
  const table = buildTable([2], darkScheme, (codes) =>
    codes[0] === 1 ? { upper: red, lower: null } : null,
  );
  const row = (codes: number[]) => ({
    geometry: { from: 0, to: 4, pixels: 4 },
    codes: [Uint16Array.from(codes)],
    share: new Uint8Array(4).fill(255),
  });
  const styles = new Uint32Array(4);
  styleColumns(
    [
      { row: row([0, 1, 0, 0]), columns: Int32Array.from([0, 1, -1, -1]) },
      { row: row([1, 1, 1, 0]), columns: Int32Array.from([0, 1, 2, 3]) },
    ],
    table,
    4,
    styles,
  );
  const surface = { pixels: new Uint32Array(4 * 12), width: 4, height: 12 };
  paintLane(surface, 1, 10, styles, table);
  const line = (y: number) => [...surface.pixels.subarray(y * 4, y * 4 + 4)];
  const back = pack(darkScheme.background);
  const ink = pack(red.base);
  expect(line(0)).toEqual([0, 0, 0, 0]);
  for (let y = 1; y < 11; ++y) expect(line(y)).toEqual([back, ink, ink, back]);
  expect(line(11)).toEqual([0, 0, 0, 0]);
});

test('stolen time has one look, and no other state has it', () => {
  for (const name of ['deprived', 'preempted', 'preempted_vm', 'host_preempted'])
    expect(stateFill(name, darkScheme).base).toEqual(stolen.base);
  for (const name of ['user', 'blocked', 'halted', 'waking', 'runnable'])
    expect(isStolen(name)).toBe(false);
});

const make = (id: number, parent: number, label: string, more: Partial<Row> = {}): Row => ({
  id,
  parent,
  label,
  sub: '',
  machine: 'vm1',
  kind: 'thread',
  cpu: null,
  vcpu: null,
  tid: id,
  begin_ns: '0',
  end_ns: '1',
  has_data: true,
  ...more,
});
const tree = [
  make(0, -1, 'vm1', { kind: 'group' }),
  make(1, 0, 'burst1'),
  make(2, 0, 'filler'),
  make(3, 0, 'gone', { has_data: false }),
];

test('a filter keeps matches and what is above them; empty rows do not show', () => {
  expect(flatten(tree, '', () => false).map((item) => item.row.id)).toEqual([0, 1, 2]);
  expect(flatten(tree, 'fill', () => false).map((item) => item.row.id)).toEqual([0, 2]);
  expect(flatten(tree, 'nothing', () => false)).toEqual([]);
  expect(flatten(tree, '', (id) => id === 0).map((item) => item.row.id)).toEqual([0]);
});

test('filter terms: field, negation, all of them', () => {
  const row = make(156, 0, 'burst1');
  expect(rowMatcher('vm:vm1 tid:156')(row)).toBe(true);
  expect(rowMatcher('!burst')(row)).toBe(false);
  expect(rowMatcher('burst kind:vcpu')(row)).toBe(false);
});
