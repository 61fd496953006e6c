// The language of the filter, and its regular expressions: what is understood, what is refused and
// where, and that no pattern takes long.
import { describe, expect, test } from 'vitest';
import type { Row } from '../../src/api';
import { filterOf, StateTest } from '../../src/filter/evaluate';
import { FilterError, numberOf, parseFilter } from '../../src/filter/language';
import { compilePattern, PatternError } from '../../src/filter/pattern';

const row: Row = {
  id: 156,
  parent: 0,
  label: 'Burst1',
  sub: '156',
  machine: 'vm1',
  kind: 'thread',
  cpu: null,
  vcpu: null,
  tid: 156,
  begin_ns: '0',
  end_ns: '1',
  has_data: true,
  ran_ns: '7000000',
};

const onRow = (text: string): boolean | 'states' => {
  const { filter, error } = filterOf(text);
  expect(error, text).toBeNull();
  const verdict = filter.of(row);
  return verdict instanceof StateTest ? 'states' : verdict;
};

const layers = ['effective', 'state'];
const onState = (text: string, names: string[], ns = 0): boolean => {
  const verdict = filterOf(text).filter.of(row);
  return verdict instanceof StateTest ? verdict.holds(layers, names, ns) : verdict;
};

const matches = (pattern: string, text: string): boolean => compilePattern(pattern)(text);

test('rows: words, short terms, comparisons and how they are joined', () => {
  for (const [text, wanted] of [
    ['', true],
    ['burst', true],
    ['BURST vm1', true],
    ['!burst', false],
    ['burst kind:vcpu', false],
    ['vm:vm1 tid:156', true],
    ['kworker/0:1', false],
    ['label == burst1', true],
    ['label != burst1', false],
    ['label contains rst', true],
    ['label matches "^b.*[0-9]$"', true],
    ['label matches ^x', false],
    ['tid >= 156 && tid < 157', true],
    ['tid > 156 || tid <= 155', false],
    ['cpu present', false],
    ['!(cpu present) && tid present', true],
    ['ran > 6.9ms ran < 7001us', true],
    ['(tid == 1 || kind == thread) && !(vm == vm2)', true],
    ['"burst1 156"', true],
  ] as const)
    expect(onRow(text), text).toBe(wanted);
});

test('states: a row is shown while the filter can hold on it, and states decide the rest', () => {
  expect(onRow('state == preempted')).toBe('states');
  expect(onRow('tid == 156 || state == preempted'), 'holds for all of the row').toBe(true);
  expect(onRow('tid == 1 && state == preempted'), 'can never hold').toBe(false);
  expect(onState('state == preempted', ['deprived', 'preempted'])).toBe(true);
  expect(onState('state:deprived', ['deprived', 'user'])).toBe(true);
  expect(onState('believed == deprived', ['deprived', 'user'])).toBe(false);
  expect(onState('effective matches ^dep', ['deprived', 'user'])).toBe(true);
  expect(onState('op present', ['deprived', 'user']), 'no such layer').toBe(false);
  expect(onState('!(state == user)', ['', 'user'])).toBe(false);
  expect(onState('tid == 156 && duration > 1ms', ['', 'user'], 1_000_001)).toBe(true);
  expect(onState('tid == 156 && duration > 1ms', ['', 'user'], 1_000_000)).toBe(false);
});

test('rows of which the same is asked share a test', () => {
  const { filter } = filterOf('tid == 1 || state == user');
  const tests = [1, 2, 3].map((tid) => filter.of({ ...row, tid }));
  expect(tests[0]).toBe(true);
  expect(tests[1]).toBe(tests[2]);
});

test('numbers: one of several, ranges', () => {
  for (const [text, wanted] of [
    ['tid == 1,150-160', true],
    ['tid == 1,157-160', false],
    ['tid != 150-160', false],
    ['tid:156-156', true],
    ['vcpu == 0-9', false],
  ] as const)
    expect(onRow(text), text).toBe(wanted);
});

test('where a row ran in the window: a set, known a moment later', () => {
  const on = (text: string, ranOn?: Map<number, number[]>, of = row): boolean | StateTest =>
    filterOf(text).filter.of(of, ranOn);
  const there = new Map([[156, [0, 3]]]);
  for (const [text, wanted] of [
    ['ran_on == 3', true],
    ['ran_on:3', true],
    ['ran_on == 1,2', false],
    ['ran_on == 1-3', true],
    ['ran_on != 3', false],
    ['ran_on == 0-1 && !(ran_on > 1)', false],
    ['ran_on == 0-3 && !(ran_on > 3)', true],
    ['ran_on present', true],
    ['ran_on contains 3', true],
    ['ran_on >= 4', false],
  ] as const) {
    expect(on(text, there), text).toBe(wanted);
    expect(on(text), `${text}, while nobody knows`).toBe(true);
  }
  expect(on('ran_on present', new Map()), 'it did not run in the window').toBe(false);
  expect(on('ran_on == 3', there), 'the window before').toBe(true);
  const pcpu: Row = { ...row, kind: 'pcpu', cpu: 2 };
  expect(on('ran_on == 2', undefined, pcpu), 'a processor has its own number').toBe(true);
  expect(on('ran_on == 3', undefined, pcpu)).toBe(false);
  expect(filterOf('!(tid == 1) && ran_on == 1').filter.asksRanOn).toBe(true);
  expect(filterOf('ran > 1ms').filter.asksRanOn).toBe(false);
});

describe('what is wrong is said with its place', () => {
  test.each([
    ['tid ==', 4, /a value is missing/],
    ['tid == && vm1', 7, /a value is missing/],
    ['foo == 3', 0, /no field foo; fields: label/],
    ['foo:bar == 3', 0, /no field/],
    ['tid == abc', 7, /a number is wanted/],
    ['tid == 1,x-3', 7, /a number is wanted here, or some/],
    ['tid > 1-3', 6, /a number is wanted here$/],
    ['tid == 5ms', 7, /a number is wanted/],
    ['ran > soon', 6, /a time is wanted/],
    ['duration > 5min', 11, /a time is wanted/],
    ['label > 3', 8, /this field is a text/],
    ['(vm1', 0, /is not closed/],
    ['vm1)', 3, /closes nothing/],
    ['vm1 &&', 6, /a term is missing/],
    ['|| vm1', 0, /a term is wanted/],
    ['vm1 || && vm2', 7, /a term is wanted/],
    ['!', 1, /a term is missing/],
    ['== 3', 0, /a term is wanted/],
    ['()', 1, /a term is wanted/],
    ['label == "vm', 9, /quote is not closed/],
    ['label matches "a(b"', 16, /is not closed/],
    ['label matches a[b', 15, /is not closed/],
    ['label matches "*a"', 15, /nothing to repeat/],
    ['label matches "(?=a)"', 15, /only \(\?:/],
    ['label matches "(a)\\1"', 18, /references/],
    [`${'('.repeat(60)}a${')'.repeat(60)}`, 50, /too deeply/],
    ['!'.repeat(60), 50, /too deeply/],
    ['a '.repeat(251), 500, /at most 500/],
  ])('%s', (text, at, says) => {
    let seen: unknown = null;
    try {
      parseFilter(text);
    } catch (error) {
      seen = error;
    }
    expect(seen).toBeInstanceOf(FilterError);
    expect((seen as FilterError).message).toMatch(says);
    expect((seen as FilterError).at).toBe(at);
    const { filter, error } = filterOf(text);
    expect(error).not.toBeNull();
    expect(filter.of(row), 'what is wrong filters nothing').toBe(true);
  });
});

test('numbers and times', () => {
  expect(numberOf('1.5ms', 'time')).toBe(1_500_000);
  expect(numberOf('20', 'time')).toBe(20);
  expect(numberOf('-3', 'number')).toBe(-3);
  for (const text of ['', '1e9', '0x10', '1,5ms', 'ms', '1 ms', '1msx', '--1', '1.', 'Infinity'])
    expect(numberOf(text, 'time'), text).toBeNull();
});

test('patterns agree with those of the browser', () => {
  const patterns = [
    'abc',
    '^abc$',
    'a|b|',
    '(ab|a)b',
    'a*b+c?',
    '[a-c]x[^0-9]',
    '\\bcpu\\d{1,2}\\b',
    'a{2}b{1,}c{0,2}',
    '(?:x|y)+z',
    '\\w+/\\d+',
    '.*?end',
    '^$',
    '[-a]\\-[\\]]',
    '()a',
    '(a*)*b',
    'x$|^y',
  ];
  const texts = [
    '',
    'abc',
    'ab',
    'xabcx',
    'cpu12 x',
    'aabbcc',
    'aab',
    'xyz',
    'kworker/12',
    'the end',
  ];
  texts.push('-', 'a-]', 'bxz', 'bx5', 'yz', 'aaab', 'cpu123', 'ABC', 'y', 'wx', 'b');
  for (const pattern of patterns)
    for (const text of texts)
      expect(matches(pattern, text), `${pattern} on ${text}`).toBe(
        new RegExp(pattern, 'i').test(text),
      );
});

describe('patterns that are refused', () => {
  test.each([
    '(',
    ')',
    'a)',
    '[',
    '[]',
    '[b-a]',
    '*',
    '+a',
    'a**',
    'a{3,2}',
    'a{101}',
    '^*',
    '\\',
    '[\\',
    '\\1',
    '\\q',
    '(?=a)',
    '(?!a)',
    '(?<=a)',
    '(?<name>a)',
    '(a{100}){100}',
    '((((a{10}){10}){10}){10}){10}',
    '('.repeat(40) + 'a' + ')'.repeat(40),
    'a'.repeat(301),
  ])('%s', (pattern) => {
    expect(() => compilePattern(pattern)).toThrow(PatternError);
  });
});

test('no pattern takes long, whatever the text', () => {
  const text = 'a'.repeat(100_000) + '!';
  const begin = performance.now();
  for (const pattern of ['(a+)+$', '(a|a)*$', '(a|aa)+$', '([a-z]+)*x', '(.*)*(.*)*y', '(a?){99}b'])
    expect(matches(pattern, text), pattern).toBe(
      pattern === '(a+)+$' || pattern.endsWith('$') ? true : false,
    );
  expect(performance.now() - begin).toBeLessThan(2000);
});
