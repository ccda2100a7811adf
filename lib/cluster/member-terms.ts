import { z } from 'zod';
import type { LeaseTerms } from './quota-lease/lease-terms';

/** The terms of the open limiters of one process, which it publishes to its peers, by key. */
export type TermsByLimiter = Record<string, LeaseTerms>;

const positive = z.number().positive();
const nonnegative = z.number().nonnegative();
const schema = z.record(z.string(), z.tuple([positive, positive, nonnegative, nonnegative]));

export function encodeTerms(terms: TermsByLimiter): string {
  const encoded = Object.entries(terms).map(([key, { limit, depthMs, observedMs, distanceMs }]) => [
    key,
    [limit, depthMs, observedMs, distanceMs],
  ]);
  return JSON.stringify(Object.fromEntries(encoded));
}

/** Undefined if another version of this package, or other software, has written the text. */
export function decodeTerms(text: string): TermsByLimiter | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    if (!parsed.success) return undefined;
    const entries = Object.entries(parsed.data);
    return Object.fromEntries(
      entries.map(([key, [limit, depthMs, observedMs, distanceMs]]) => [
        key,
        { limit, depthMs, observedMs, distanceMs },
      ]),
    );
  } catch {
    return undefined;
  }
}
