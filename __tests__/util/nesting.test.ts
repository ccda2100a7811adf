import { isNestedDeeper, isTextNestedDeeper } from '../../lib/util/nesting';

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
    ['false for many lists', Array.from({ length: 30_000 }, () => [{}]), false],
    [
      'true for a deep value behind many lists',
      [...Array.from({ length: 30_000 }, () => [0]), nested(512)],
      true,
    ],
  ])('is %s', (_, value, expected) => {
    expect(isNestedDeeper(value, 512)).toBe(expected);
  });

  it('terminates for a cycle and for values that share their parts', () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(isNestedDeeper(cycle, 512)).toBe(true);
    let shared: unknown = [];
    for (let level = 0; level < 200; level++) shared = [shared, shared];
    expect(isNestedDeeper(shared, 512)).toBe(false);
  });
});

describe('isTextNestedDeeper()', () => {
  const list = (depth: number, inner = ''): string => '['.repeat(depth) + inner + ']'.repeat(depth);
  const objects = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);

  it.each([
    ['false for 512 lists', list(512), false],
    ['true for 513 lists', list(513), true],
    ['true for 100,000 lists', list(100_000), true],
    ['false for 512 objects', objects(512), false],
    ['true for 513 objects', objects(513), true],
    ['true for lists in objects', `${'{"a":['.repeat(300)}${']}'.repeat(300)}`, true],
    ['true for lists that are not closed', '['.repeat(2000), true],
    ['false for many lists side by side', `[${'[],'.repeat(2000)}[]]`, false],
    ['false for brackets in a string', JSON.stringify('[{'.repeat(2000)), false],
    ['false for brackets behind an escaped quote', JSON.stringify(`"\\"${'['.repeat(2000)}`), false],
    ['true for lists behind a string that ends with a backslash', `["\\\\",${list(600)}]`, true],
    ['true for lists between strings', list(600, '"]]]"'), true],
    ['false for a string that does not end', `"${'['.repeat(2000)}`, false],
    ['false for an escaped string that does not end', `"\\"${'['.repeat(2000)}\\`, false],
  ])('is %s', (_, text, expected) => {
    expect(isTextNestedDeeper(text, 512)).toBe(expected);
  });
});
