import { expect, test } from 'vitest';
import type { Row } from '../../src/api';
import { filterOf } from '../../src/filter/evaluate';
import { flatten, hiddenText, shownRows, wouldHide } from '../../src/timeline/rows';
import {
  buildTable,
  columns,
  comboOfStyle,
  paintLane,
  styleColumns,
} from '../../src/timeline/paint';
import {
  darkScheme,
  type Fill,
  isStolen,
  pack,
  stateFill,
  stolen,
} from '../../src/timeline/palette';

const red = { base: [255, 0, 0] as const, ink: [255, 0, 0] as const, pattern: 'solid' as const };

test('columns map a window into data', () => {
  const { begin, end, middle, first } = columns({ from: 0, to: 100, pixels: 10 }, -20, 120, 7);
  expect([begin, end]).toEqual([1, 6]);
  expect([...middle.subarray(begin, end)]).toEqual([1, 3, 5, 7, 9]);
  expect([...(first ?? [])]).toEqual([0, 0, 2, 4, 6, 8, 10, 10]);
  expect(columns({ from: 0, to: 100, pixels: 10 }, 0, 50, 7).first).toBeNull();
});

test('what is rare shows where columns are wider than the data', () => {
  const table = buildTable([3], darkScheme, () => ({ upper: red, lower: null }));
  const row = {
    geometry: { from: 0, to: 12, pixels: 12 },
    codes: [Uint16Array.from([1, 0, 0, 0, 0, 2, 0, 0, 1, 2, 0, 0])],
    share: new Uint8Array(12).fill(255),
  };
  const styles = new Uint32Array(4);
  styleColumns([{ row, columns: columns(row.geometry, 0, 12, 4) }], table, 4, styles);
  expect([...styles].map(comboOfStyle)).toEqual([1, 2, 1, 2]);
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
      { row: row([0, 1, 0, 0]), columns: columns({ from: 0, to: 2, pixels: 2 }, 0, 4, 4) },
      { row: row([1, 1, 1, 0]), columns: columns({ from: 0, to: 4, pixels: 4 }, 0, 4, 4) },
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
  ran_ns: '7',
  ...more,
});
const tree = [
  make(0, -1, 'vm1', { kind: 'group' }),
  make(1, 0, 'burst1'),
  make(2, 0, 'filler'),
  make(3, 0, 'gone', { has_data: false }),
];

test('a filter keeps matches and what is above them; empty rows do not show', () => {
  const matches = (text: string) => (one: Row) => filterOf(text).filter.of(one) !== false;
  expect(flatten(tree, matches(''), () => false).map((item) => item.row.id)).toEqual([0, 1, 2]);
  expect(flatten(tree, matches('fill'), () => false).map((item) => item.row.id)).toEqual([0, 2]);
  expect(flatten(tree, matches('nothing'), () => false)).toEqual([]);
  expect(flatten(tree, matches(''), (id) => id === 0).map((item) => item.row.id)).toEqual([0]);
});

test('which rows are shown: those that ran, those that are awake, the selected one, all', () => {
  const rows = [
    make(0, -1, 'vm1', { kind: 'group', ran_ns: '0' }),
    make(1, 0, 'vCPU 0', { kind: 'vcpu', ran_ns: '0' }),
    make(2, 0, 'short', { ran_ns: '5' }),
    make(3, 0, 'asleep', { ran_ns: '0' }),
    make(4, 0, 'long', { ran_ns: '20000000000' }),
  ];
  const usual = {
    ...{ filter: '', hidden: {}, idle: false, active: false, row: null },
    order: 'ran' as const,
    ranOn: {},
    awake: { vms: new Set([2]) },
  };
  const shown = (change: Partial<typeof usual> | object, view = 'vms'): number[] =>
    shownRows(rows, view, { ...usual, ...change }).map((row) => row.id);
  expect(shown({})).toEqual([0, 1, 4, 2]);
  expect(shown({ order: 'number' })).toEqual([0, 1, 2, 4]);
  expect(shown({ order: 'name' })).toEqual([0, 1, 4, 2]);
  expect(shown({ order: 'linked', ranks: { vms: new Map([[2, 0]]) } })).toEqual([0, 1, 2, 4]);
  expect(shown({ hidden: { 'vms:4': true } })).toEqual([0, 1, 2]);
  expect(shown({ hidden: { 'control:4': true } })).toEqual([0, 1, 4, 2]);
  expect(
    shown({ hidden: { 'vms:0': true, 'vms:4': true } }),
    'a group above what is shown',
  ).toEqual([0, 1, 2]);
  expect(shown({ idle: true })).toEqual([0, 1, 4, 2, 3]);
  expect(shown({ filter: 'asleep' })).toEqual([0, 1, 4, 2, 3]);
  expect(shown({ row: { view: 'vms', id: 3 } })).toEqual([0, 1, 4, 2, 3]);
  expect(shown({ active: true })).toEqual([0, 1, 2]);
  expect(shown({ active: true, filter: 'l' })).toEqual([0, 1, 2]);
  expect(shown({ active: true }, 'control')).toEqual([0, 1, 4, 2]);
  expect(shown({ active: true, row: { view: 'vms', id: 4 } })).toEqual([0, 1, 4, 2]);
  const long = rows[4] as Row;
  expect(wouldHide(long, 'vms', { ...usual, active: true, row: { view: 'vms', id: 4 } })).toBe(
    true,
  );
  expect(hiddenText(0, usual)).toBe('');
  expect(hiddenText(1, usual)).toContain('1 thread that never ran');
  expect(hiddenText(2, { ...usual, active: true })).toContain('2 without activity');
});

test('every pixel of a lane is that of the table, whatever the height and the clipping', () => {
  const looks = ['user', 'preempted', 'syscall', 'irq', 'guest', 'waking'].map((name) =>
    stateFill(name, darkScheme),
  );
  const table = buildTable([looks.length], darkScheme, ([code]) => ({
    upper: looks[code as number] as Fill,
    lower: code === 1 ? (looks[0] as Fill) : null,
  }));
  const width = 97;
  const styles = Uint32Array.from({ length: width }, (_, x) =>
    x < 40 ? (x % 3) * 4 : Math.floor(x / 17) * 4 + 3,
  );
  for (const [top, height] of [
    ...[1, 2, 3, 4, 5, 8, 17, 30].map((high) => [3, high] as const),
    ...[[-7, 20] as const, [30, 20] as const],
  ]) {
    const tall = 40;
    const pixels = new Uint32Array(width * tall);
    paintLane({ pixels, width, height: tall }, top, height, styles, table);
    const low = height >= 5 ? top + height - Math.max(2, Math.floor(height / 3)) : top + height;
    for (let y = 0; y < tall; ++y)
      for (let x = 0; x < width; ++x) {
        const colours = y >= low ? table.lower : table.upper;
        const at = ((styles[x] as number) << 6) | (((y - top) & 7) << 3) | (x & 7);
        const wanted = y >= top && y < top + height ? colours[at] : 0;
        if (pixels[y * width + x] !== wanted) expect([top, height, x, y]).toBeNull();
      }
  }
});
