import { closedSchema } from '../../../lib/provider/anthropic/json-schema';

const text = { type: 'string' };
const closed = { additionalProperties: false };

describe('A JSON schema for the structured outputs of Anthropic', () => {
  it.each<[string, object, object]>([
    [
      'closes every object, also those in lists, in definitions and in choices',
      {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: ['object', 'null'],
        properties: { list: { type: 'array', items: { properties: { a: text } } } },
        $defs: { b: { type: 'object' } },
        anyOf: [{ type: 'object' }, text],
      },
      {
        ...closed,
        type: ['object', 'null'],
        properties: { list: { type: 'array', items: { ...closed, properties: { a: text } } } },
        $defs: { b: { ...closed, type: 'object' } },
        anyOf: [{ ...closed, type: 'object' }, text],
      },
    ],
    ['has anyOf in place of oneOf', { oneOf: [text, { type: 'null' }] }, { anyOf: [text, { type: 'null' }] }],
    [
      'has the constraints that are refused in its description',
      { ...text, description: 'A name', minLength: 2, pattern: '^a' },
      { ...text, description: 'A name\n\n{minLength: 2, pattern: "^a"}' },
    ],
    [
      'keeps minItems of at most 1',
      { type: 'array', items: text, minItems: 1 },
      { type: 'array', items: text, minItems: 1 },
    ],
    [
      'describes minItems above 1',
      { type: 'array', items: text, minItems: 2 },
      { type: 'array', items: text, description: '{minItems: 2}' },
    ],
    [
      'keeps keywords whose values have another form than schemas',
      { enum: ['a'], anyOf: 'x', properties: 'x' },
      { enum: ['a'], anyOf: 'x', properties: 'x' },
    ],
  ])('%s', (_name, schema, expected) => {
    expect(closedSchema(schema as Record<string, unknown>)).toEqual(expected);
  });

  const open = { type: 'object', additionalProperties: text };
  it.each<[string, object]>([
    ['additional properties', { type: 'object', additionalProperties: true }],
    ['additional properties of a schema', open],
    ['additional properties in a list', { type: 'array', items: open }],
    ['additional properties in a property', { type: 'object', properties: { a: open } }],
    ['additional properties in a choice', { anyOf: [text, open] }],
    ['items of any kind', { type: 'array', items: true }],
    ['a property of any kind', { type: 'object', properties: { a: true } }],
  ])('is not possible for %s', (_name, schema) => {
    expect(closedSchema(schema as Record<string, unknown>)).toBeUndefined();
  });
});
