import { z } from 'zod';

/** What one process tells the others. Names, kinds and times only: never a key, a prompt or an upstream's words. */
export type HealthReport =
  /** Its breaker opened, by its own evidence or a probe of its own that failed. */
  | {
      readonly kind: 'opened';
      readonly endpoint: string;
      readonly cooldownMs: number;
      /** The rest before jitter: the next failed probe doubles it. */
      readonly stepMs: number;
    }
  /** A probe of its own has closed its breaker. */
  | { readonly kind: 'closed'; readonly endpoint: string }
  /** The endpoint rests until someone has seen to it. */
  | {
      readonly kind: 'cooldown';
      readonly endpoint: string;
      readonly class: CooldownClass;
      readonly cooldownMs: number;
    }
  /** A 429: everything that shares one of these quotas rests. */
  | {
      readonly kind: 'quota';
      readonly endpoint: string;
      readonly quotas: readonly string[];
      readonly cooldownMs: number;
    };

export const COOLDOWN_CLASSES = ['quota_exhausted', 'unauthorized', 'model_missing'] as const;
/** The failure classes that rest an endpoint. */
export type CooldownClass = (typeof COOLDOWN_CLASSES)[number];

/** An item as it travels. */
export interface HealthMessage {
  readonly from: string;
  /** When it was published, on Redis's clock. */
  readonly at: number;
  readonly report: HealthReport;
}

const VERSION = 1;
/** The longest message that is read, in characters: the longest names there may be fit. */
const MAX_LENGTH = 4096;
const MAX_QUOTAS = 4;

const name = z.string().min(1).max(220);
const duration = z.number().nonnegative();
const head = { v: z.literal(VERSION), from: z.string().min(1).max(64), at: z.number().nonnegative() };

/** Strict, so that what only looks like news of ours is none. A later version that tells more has another number. */
const schema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...head,
    kind: z.literal('opened'),
    endpoint: name,
    cooldownMs: duration,
    stepMs: duration,
  }),
  z.strictObject({ ...head, kind: z.literal('closed'), endpoint: name }),
  z.strictObject({
    ...head,
    kind: z.literal('cooldown'),
    endpoint: name,
    class: z.enum(COOLDOWN_CLASSES),
    cooldownMs: duration,
  }),
  z.strictObject({
    ...head,
    kind: z.literal('quota'),
    endpoint: name,
    quotas: z.array(name).min(1).max(MAX_QUOTAS),
    cooldownMs: duration,
  }),
]);

/** Undefined where it would be too long to be read. */
export function encodeMessage({ from, at, report }: HealthMessage): string | undefined {
  const text = JSON.stringify({ v: VERSION, from, at, ...report });
  return text.length <= MAX_LENGTH ? text : undefined;
}

/** Undefined for everything that is not news of this version. Never throws. */
export function decodeMessage(text: string): HealthMessage | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const { v: _version, from, at, ...report } = parsed.data;
  return { from, at, report };
}
