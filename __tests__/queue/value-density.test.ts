import { before, density, densityBucket, MAX_TOKENS, rank } from '../../lib/queue/value-density';

const DENSEST = 2.5 ** 4 / 200;

test('density(): each priority is worth 2.5 times the one below, per token of at least 200 and at most 1e9', () => {
  expect(density(1, 0, 0)).toBe(1 / 200);
  expect(density(3, 100, 100)).toBe(6.25 / 200);
  expect(density(3, 100, 101)).toBe(6.25 / 201);
  expect(density(1, Infinity, 0)).toBe(1 / MAX_TOKENS);
  expect(density(5, 0, 0)).toBe(DENSEST);
});

test('densityBucket(): 0 is the densest, eight buckets make an octave, and 127 is the last', () => {
  expect(densityBucket(DENSEST)).toBe(0);
  expect(densityBucket(2 * DENSEST)).toBe(0);
  expect(densityBucket(DENSEST / 2)).toBe(8);
  expect(densityBucket(DENSEST / 2 ** 15)).toBe(120);
  expect(densityBucket(DENSEST / 2 ** 16)).toBe(127);
  expect(densityBucket(DENSEST / 2 ** 40)).toBe(127);
});

test('rank(): a minute of waiting counts as much as twice the density', () => {
  expect(rank(2, 0)).toBe(1);
  expect(rank(1, 60_000)).toBe(-1);
  expect(rank(2, 60_000)).toBe(rank(1, 0));
});

test('before(): a higher rank goes first, then the earlier arrival; no call comes before itself', () => {
  const first = { rank: 1, seq: 1 };
  expect(before(first, { rank: 0, seq: 0 })).toBe(true);
  expect(before(first, { rank: 2, seq: 2 })).toBe(false);
  expect(before(first, { rank: 1, seq: 2 })).toBe(true);
  expect(before({ rank: 1, seq: 2 }, first)).toBe(false);
  expect(before(first, first)).toBe(false);
});
