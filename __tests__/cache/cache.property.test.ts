import fc from 'fast-check';
import { cacheKey, inputKey } from '../../lib/cache/cache-key';
import type { Call } from '../../lib/call/call';

const tenant = fc.option(fc.constantFrom('a', 'b', 'a","b', ''), { nil: undefined });
const body = fc.record(
  {
    model: fc.constantFrom('m', 'n'),
    messages: fc.array(
      fc.record({ role: fc.constantFrom('user', 'system'), content: fc.string({ maxLength: 4 }) }),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
    temperature: fc.constantFrom(0, 1, null),
    seed: fc.nat(2),
    tools: fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 2 }),
  },
  { requiredKeys: ['messages'] },
);
const call = fc.record({ body, tenant, minQuality: fc.option(fc.constantFrom(0, 0.5), { nil: undefined }) });

type Drawn = typeof call extends fc.Arbitrary<infer T> ? T : never;

/** The call with one field of another. */
function withFieldOf(one: Drawn, other: Drawn, name: string): Drawn {
  if (name === 'tenant') return { ...one, tenant: other.tenant };
  if (name === 'minQuality') return { ...one, minQuality: other.minQuality };
  const field = Object.entries(other.body).filter(([key]) => key === name);
  return { ...one, body: { ...one.body, ...Object.fromEntries(field) } };
}

const asCall = ({
  body: fields,
  tenant: name,
  minQuality,
}: {
  body: object;
  tenant?: string | undefined;
  minQuality?: number | undefined;
}): Call =>
  ({
    operation: 'chat',
    body: fields,
    context: { requestId: Math.random().toString(), type: 'chat', priority: 3, tenant: name, minQuality },
  }) as unknown as Call;

/** Fields in reverse order, at every depth. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, part]) => [name, reversed(part)]),
  );
}

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_name, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

describe('The cache key', () => {
  it('is equal for two calls if and only if their tenant, body and context are equal', () => {
    // Two calls that are drawn alone differ in nearly everything: most of a call is taken over from the other.
    const change = fc.constantFrom(
      'tenant',
      'minQuality',
      'model',
      'messages',
      'temperature',
      'seed',
      'tools',
    );
    const pair = fc.tuple(call, call, fc.uniqueArray(change, { maxLength: 2 }));
    fc.assert(
      fc.property(pair, ([one, other, changes]) => {
        const two = changes.reduce((partly, name) => withFieldOf(partly, other, name), one);
        const isSame = sorted(JSON.parse(JSON.stringify(one))) === sorted(JSON.parse(JSON.stringify(two)));
        expect(cacheKey(asCall(one)) === cacheKey(asCall(two))).toBe(isSame);
      }),
      { numRuns: 5_000 },
    );
  });

  it('does not depend on the order of fields or on whether the answer is streamed', () => {
    fc.assert(
      fc.property(call, (one) => {
        const other = {
          ...one,
          body: { ...(reversed(one.body) as object), stream: true, stream_options: {} },
        };
        expect(cacheKey(asCall(other))).toBe(cacheKey(asCall(one)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('of an embeddings input differs from that of any other input or tenant', () => {
    const input = fc.oneof(fc.string({ maxLength: 3 }), fc.array(fc.nat(3), { minLength: 1, maxLength: 3 }));
    fc.assert(
      fc.property(input, tenant, input, tenant, (a, tenantA, b, tenantB) => {
        const of = (name: string | undefined) => asCall({ body: { model: 'm' }, tenant: name });
        const isSame = JSON.stringify([a, tenantA]) === JSON.stringify([b, tenantB]);
        expect(inputKey(of(tenantA), a) === inputKey(of(tenantB), b)).toBe(isSame);
      }),
      { numRuns: 2_000 },
    );
  });
});
