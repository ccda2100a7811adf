import { isNestedDeeper } from '../../lib/util/nesting';

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

describe('isNestedDeeper()', () => {
  it.each([
    ['false for a string', 'x', false],
    ['false for null', null, false],
    ['false for 512 levels', nested(512), false],
    ['true for 513 levels', nested(513), true],
    ['true for 100,000 levels', nested(100_000), true],
    ['true for a deep value behind others', [1, { a: [] }, { b: nested(600) }], true],
    ['false for a wide array', new Array(100_000).fill([0]), false],
  ])('is %s', (_, value, expected) => {
    expect(isNestedDeeper(value, 512)).toBe(expected);
  });

  it('ends for a cycle and for values that share their parts', () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(isNestedDeeper(cycle, 512)).toBe(true);
    let shared: unknown = [];
    for (let level = 0; level < 200; level++) shared = [shared, shared];
    expect(isNestedDeeper(shared, 512)).toBe(false);
  });
});
