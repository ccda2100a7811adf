import { isObject } from './request-body';

const MAX_DEPTH = 8;

/** A small value that matches a JSON schema. Supports types, enum, const, anyOf, oneOf and nesting. */
export function exampleForSchema(schema: unknown, depth = 0): unknown {
  if (!isObject(schema) || depth > MAX_DEPTH) return 'text';
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0] as unknown;
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return exampleForSchema(choices[0], depth + 1);
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'integer':
    case 'number':
      return typeof schema.minimum === 'number' ? schema.minimum : 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return schema.items === undefined ? [] : [exampleForSchema(schema.items, depth + 1)];
    case 'string':
      return 'text';
    default:
      return exampleObject(schema.properties, depth);
  }
}

function exampleObject(properties: unknown, depth: number): Record<string, unknown> {
  if (!isObject(properties)) return {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, exampleForSchema(schema, depth + 1)]),
  );
}
