import { describe, expect, it } from 'vitest';
import { setOrigin } from '../time';
import {
  csvCell,
  entries,
  momentOf,
  num,
  parseEnds,
  parseNames,
  parseTask,
  positionOf,
  timeColumns,
  toCsv,
  toJson,
  who,
} from './data';
import { readHistory } from './Sql';

setOrigin('54556227853', false);

describe('cells', () => {
  it('reads numbers that are numbers or decimal text', () => {
    expect(num('2159683620')).toBe(2159683620);
    expect(num(0.5)).toBe(0.5);
    expect(num('-1e3')).toBe(-1000);
  });
  it.each([
    null,
    undefined,
    true,
    '',
    ' ',
    '0x10',
    '1_000',
    '12 ms',
    'NaN',
    'Infinity',
    '--1',
    '1.',
    NaN,
    Infinity,
    '1e999',
  ])('%j is no number', (cell) => {
    expect(num(cell)).toBeNull();
  });
  it.each([null, true, '', 'now', '1.5', '1e9', 1.5, '99999999999999999999', '0x1', ' 1', '-'])(
    '%j is no moment',
    (cell) => {
      expect(momentOf(cell)).toBeNull();
    },
  );
  it('counts moments from the begin of the experiment', () => {
    expect(momentOf('54556227854')).toBe(1);
    expect(momentOf(54556227850)).toBe(-3);
  });
  it('fills short rows with null and takes a section that is not there', () => {
    expect(entries({ columns: ['a', 'b'], rows: [[1]] })).toEqual([{ a: 1, b: null }]);
    expect(entries(undefined)).toEqual([]);
  });
  it('names an occupant, and nobody', () => {
    expect(who({ by_machine: 'vm1', by_vcpu: 1, by_tid: 156, by_comm: 'filler' }, 'by_')).toBe(
      'vm1/1 filler (156)',
    );
    expect(who({ machine: null, comm: null, tid: null })).toBe('nobody (waking up)');
  });
});

describe('export', () => {
  it.each([
    ['=1+1', "'=1+1"],
    ['+cmd', "'+cmd"],
    ['-cmd', "'-cmd"],
    ['@sum', "'@sum"],
    ['\tx', "'\tx"],
    ['\r=x', '"\'\r=x"'],
    [' =1', "' =1"],
    ['=HYPERLINK("a")', '"\'=HYPERLINK(""a"")"'],
  ])('no spreadsheet runs %j', (cell, safe) => {
    expect(csvCell(cell)).toBe(safe);
  });
  it('keeps numbers, quotes commas, quotes and line ends', () => {
    expect(csvCell(-5)).toBe('-5');
    expect(csvCell('-12.5')).toBe('-12.5');
    expect(csvCell('a,b')).toBe('"a,b"');
    expect(csvCell('say "x"')).toBe('"say ""x"""');
    expect(csvCell('a\nb')).toBe('"a\nb"');
    expect(csvCell(null)).toBe('');
    expect(toCsv(['a', '=b'], [[1, null]])).toBe("a,'=b\r\n1,\r\n");
  });
  it('writes rows by name as JSON', () => {
    expect(JSON.parse(toJson(['ts', 'x'], [['9007199254740993', '<b>']]))).toEqual([
      { ts: '9007199254740993', x: '<b>' },
    ]);
  });
});

describe('what users type', () => {
  it.each([
    '',
    ' ',
    'vm1',
    '/156',
    'vm1/',
    'vm1//1',
    'a/b/c',
    `${'x'.repeat(121)}/1`,
    `vm/${'1'.repeat(80)}`,
  ])('%j is no task', (value) => {
    expect(parseTask(value)).toBeNull();
  });
  it.each([
    ['vm1/156', 'vm1/156'],
    [' vm2/burst1 ', 'vm2/burst1'],
    ['my vm/my task', 'my vm/my task'],
  ])('%j is a task', (value, task) => {
    expect(parseTask(value)).toBe(task);
  });
  it.each([
    ['', ''],
    ['1s', ''],
    ['', '1s'],
    ['1s', '1s'],
    ['2s', '1s'],
    ['x', '1s'],
    ['1s', '1 parsec'],
    ['1s', '-5ms'],
    ['1s', '+0ms'],
    ['1..5s', '2s'],
  ])('%j to %j is no span', (from, to) => {
    expect(parseEnds(from, to)).toBeNull();
  });
  it('takes two ends, or an end and a length', () => {
    expect(parseEnds('1s', '1500ms')).toEqual({ from: 1e9, to: 1.5e9 });
    expect(parseEnds('1s', '+20ms')).toEqual({ from: 1e9, to: 1.02e9 });
  });
  it('splits names, drops doubles, bounds their number', () => {
    expect(parseNames(' a,b  a,,')).toEqual(['a', 'b']);
    expect(parseNames(Array.from({ length: 500 }, (_, i) => `e${i}`).join())).toHaveLength(100);
  });
  it.each(['', 'null', '{}', '[1,', '"x"', '{"0":"a"}', 'undefined'])(
    'stored history %j is none',
    (stored) => {
      expect(readHistory(stored)).toEqual([]);
    },
  );
  it('keeps only text of a stored history', () => {
    expect(readHistory('["a",1,null,{"x":1},"b"]')).toEqual(['a', 'b']);
    expect(readHistory(null)).toEqual([]);
  });
});

describe('places', () => {
  it('turns a byte offset into line and column', () => {
    expect(positionOf('SELECT\n  µ, x', 12)).toEqual({ line: 2, column: 5, index: 11 });
    expect(positionOf('abc', 3)).toEqual({ line: 1, column: 4, index: 3 });
  });
  it.each([-1, 4, 1.5, NaN, Infinity])('offset %d is outside', (offset) => {
    expect(positionOf('abc', offset)).toBeNull();
  });
  it('finds moments by the names of columns', () => {
    expect([...timeColumns(['ts', 'dur', 'tid', 'max_ts', 'starts', 'tsc', 'counts'])]).toEqual([
      [0, 1],
      [3, null],
    ]);
    expect([...timeColumns(['begin_ns', 'steal_ns', 'dur_ns'])]).toEqual([[0, null]]);
  });
});
