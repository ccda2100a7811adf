import { isObject } from '../../util/is-object';

/** Keywords that structured outputs refuse. They are moved to the description, where the model can read them. */
const CONSTRAINTS = [
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength'],
  ...['maxItems', 'uniqueItems', 'minProperties', 'maxProperties', 'pattern'],
];
const MAPS = ['properties', '$defs', 'definitions'];
const LISTS = ['anyOf', 'allOf', 'oneOf'];

/**
 * Converts a schema to the subset that Anthropic's structured outputs accept, in which every object has
 * `additionalProperties: false`. Returns undefined if that is impossible, for example because the schema allows
 * additional properties. Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs
 */
export function closedSchema(schema: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const closed: Record<string, unknown> = {};
  const constraints: string[] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === '$schema' || keyword === 'additionalProperties') continue;
    if (CONSTRAINTS.includes(keyword) || (keyword === 'minItems' && Number(value) > 1)) {
      constraints.push(`${keyword}: ${JSON.stringify(value)}`);
      continue;
    }
    const part = closedPart(keyword, value);
    if (part === undefined) return undefined;
    closed[keyword === 'oneOf' ? 'anyOf' : keyword] = part;
  }
  const { additionalProperties: others, type } = schema;
  if (type === 'object' || (Array.isArray(type) && type.includes('object')) || isObject(schema.properties)) {
    if (others === true || isObject(others)) return undefined;
    closed.additionalProperties = false;
  }
  if (constraints.length > 0)
    closed.description = [schema.description, `{${constraints.join(', ')}}`].filter(Boolean).join('\n\n');
  return closed;
}

function closedPart(keyword: string, value: unknown): unknown {
  if (keyword === 'items') return isObject(value) ? closedSchema(value) : undefined;
  if (MAPS.includes(keyword) && isObject(value)) {
    const entries = Object.entries(value).map(([name, part]) => [name, closedIfObject(part)] as const);
    return entries.some(([, part]) => part === undefined) ? undefined : Object.fromEntries(entries);
  }
  if (!LISTS.includes(keyword) || !Array.isArray(value)) return value;
  const parts = value.map(closedIfObject);
  return parts.includes(undefined) ? undefined : parts;
}

function closedIfObject(schema: unknown): Record<string, unknown> | undefined {
  return isObject(schema) ? closedSchema(schema) : undefined;
}
