import { beforeEach, expect, test } from 'vitest';
import { DecodeError, decodeStates, encodeStates } from '../../src/states';
import { setOrigin } from '../../src/time';

beforeEach(() => setOrigin('1000', false));

const big = 9_007_199_254_740_993n;
const sample = (): Uint8Array =>
  encodeStates(
    1000n,
    3000n,
    10,
    [
      [
        [
          [4, 7n, 255],
          [3, null, 0],
          [3, -2n, 100],
        ],
        [[10, big, 200]],
      ],
    ],
    [
      [0, 7n, 'guest'],
      [0, -2n, 'ünknown'],
      [1, big, 'vm1'],
    ],
  );

test('stretches become one code per pixel, with names and values', () => {
  const answer = decodeStates(sample());
  expect([answer.from, answer.to, answer.pixels, answer.layers]).toEqual([0, 2000, 10, 2]);
  expect([...(answer.rows[0]?.[0]?.codes ?? [])]).toEqual([1, 1, 1, 1, 0, 0, 0, 2, 2, 2]);
  expect([...(answer.rows[0]?.[0]?.share ?? [])]).toEqual([
    255, 255, 255, 255, 0, 0, 0, 100, 100, 100,
  ]);
  expect(answer.names).toEqual([['guest', 'ünknown'], ['vm1']]);
  expect(answer.values).toEqual([[7n, -2n], [big]]);
});

test('every cut of an answer is refused, none reads past the end', () => {
  const bytes = sample();
  for (let length = 0; length < bytes.length; ++length)
    expect(() => decodeStates(bytes.subarray(0, length)), String(length)).toThrow(DecodeError);
});

test('wrong magic, version, and too long rows are refused', () => {
  const wrong = sample();
  wrong[0] = 0;
  expect(() => decodeStates(wrong)).toThrow(/magic/);
  const newer = sample();
  newer[4] = 2;
  expect(() => decodeStates(newer)).toThrow(/version 2/);
  expect(() => decodeStates(encodeStates(0n, 1n, 4, [[[[5, 1n, 1]]]], []))).toThrow(
    /longer than 4/,
  );
});
