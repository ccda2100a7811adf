import { estimateBodyBytes } from '../../lib/queue/body-size';

test.each<[string, unknown, number]>([
  ['a number', 12345, 8],
  ['null', null, 8],
  ['undefined', undefined, 8],
  ['true', true, 8],
  ['an empty string', '', 8],
  ['a string of 3 characters', 'abc', 11],
  ['an empty array', [], 8],
  ['an empty object', {}, 8],
  ['an array of 2 numbers', [1, 2], 8 + 8 + 8],
  ['an array of a string and null', ['abc', null], 8 + 11 + 8],
  ['a key of 5 characters with a number', { count: 1 }, 8 + 5 + 8],
  ['a key of 5 characters with a string of 4', { model: 'gpt5' }, 8 + 5 + 8 + 4],
  ['a property that is null', { stop: null }, 8 + 4 + 8],
  ['100 bytes', new Uint8Array(100), 8 + 100],
  ['100 bytes as a property', { data: new Uint8Array(100) }, 8 + 4 + 8 + 100],
  ['arrays in an array', [['ab'], [[]]], 8 + 8 + 10 + 8 + 8],
  ['objects in an array in an object', { a: [{ bc: 'def' }, { g: 1 }] }, 8 + 1 + 8 + 8 + 2 + 11 + 8 + 1 + 8],
])('estimateBodyBytes: %s', (_what, body, bytes) => {
  expect(estimateBodyBytes(body)).toBe(bytes);
});

describe('estimateBodyBytes stops after a million values', () => {
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);

  test.each<[string, (first: unknown, last: unknown) => object, number]>([
    ['an array', (first, last) => [first, last], 8 + 8 + 8],
    ['an object', (first, last) => ({ a: first, b: last }), 8 + 9 + 9],
  ])('counted over all the containers of %s, of which it reads the last first', (_what, body, own) => {
    // Two values of the outer container, then those of the last.
    expect(estimateBodyBytes(body(['abc'], zeros(999_998)))).toBe(own + 999_998 * 8);
    expect(estimateBodyBytes(body(['abc'], zeros(999_997)))).toBe(own + 999_997 * 8 + 11);
  });
});
