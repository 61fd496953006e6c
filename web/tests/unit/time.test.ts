import { beforeEach, expect, test } from 'vitest';
import {
  formatDuration,
  formatRel,
  parseTime,
  panSpan,
  setOrigin,
  tickStep,
  toAbs,
  toRel,
  zoomSpan,
} from '../../src/time';

beforeEach(() => setOrigin('1700000000123456789', true));

test('absolute times beyond 2^53 survive both ways', () => {
  expect(toRel('1700000000123456790')).toBe(1);
  expect(toAbs(1)).toBe('1700000000123456790');
  expect(toAbs(toRel('1700000086400123456'))).toBe('1700000086400123456');
});

test('durations and times are written with their units', () => {
  expect([2.74e9, 765e6, 33_200, 7, 0, -1500].map(formatDuration)).toEqual([
    '2.74 s',
    '765 ms',
    '33.2 µs',
    '7 ns',
    '0 ns',
    '−1.50 µs',
  ]);
  expect(formatRel(1_500_000_000, 1e8)).toBe('1.5');
  expect(formatRel(1_234_567_891)).toBe('1.234 567 891');
});

test('go to time reads units, differences and absolute times', () => {
  expect(parseTime('1.5s', 0)).toBe(1.5e9);
  expect(parseTime('+5ms', 1e6)).toBe(6e6);
  expect(parseTime('-2 us', 5000)).toBe(3000);
  expect(parseTime('1700000000123456799', 0)).toBe(10);
  expect(parseTime('soon', 0)).toBeNull();
});

test('zoom keeps the moment under the pointer and stays inside', () => {
  const limit = { from: 0, to: 1000_000 };
  const near = zoomSpan({ from: 0, to: 1000_000 }, 250_000, 0.5, limit);
  expect(near).toEqual({ from: 125_000, to: 625_000 });
  expect(zoomSpan(near, 0, 100, limit)).toEqual(limit);
  const close = zoomSpan({ from: 0, to: 30 }, 10, 0.01, limit);
  expect(close.to - close.from).toBeCloseTo(20);
  expect(panSpan({ from: 0, to: 10 }, -5, limit)).toEqual({ from: 0, to: 10 });
  expect(panSpan({ from: 999_985, to: 999_995 }, 50, limit)).toEqual({
    from: 999_990,
    to: 1000_000,
  });
});

test('ticks are 1, 2 or 5 and far enough apart', () => {
  expect(tickStep(1e9, 1000, 96)).toBe(1e8);
  expect(tickStep(1.3e9, 1000, 96)).toBe(2e8);
});
