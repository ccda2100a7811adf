import { z } from 'zod';
import { parseJson } from '../../util/parse-json';

export const COOLDOWN_CLASSES = ['quota_exhausted', 'unauthorized', 'model_missing'] as const;
/** Failure classes that start a cooldown of the endpoint. */
export type CooldownClass = (typeof COOLDOWN_CLASSES)[number];

const VERSION = 1;
/** Maximum length of a message, in characters. A message with the longest valid names fits. */
const MAX_LENGTH = 4096;

/** Name and account of an endpoint. Names have at most 200 characters. */
const endpoint = z.string().min(1).max(220);
const cooldownMs = z.number().nonnegative();
const head = {
  v: z.literal(VERSION),
  /** Id of the process that publishes the message. */
  from: z.string().min(1).max(64),
  /** Time of publication on Redis's clock, in milliseconds. */
  at: z.number().nonnegative(),
};

/**
 * Schema of a message. It is strict: a message with unknown fields is ignored. A later format gets another version
 * number.
 */
const schema = z.discriminatedUnion('kind', [
  /** The publishing process has just started, and asks its peers for the reports that are still valid. */
  z.strictObject({ ...head, kind: z.literal('asked') }),
  /**
   * The endpoint's breaker in the publishing process opened because of that process's own calls. `stepMs` is
   * `cooldownMs` without jitter; the next failure doubles it.
   */
  z.strictObject({ ...head, kind: z.literal('opened'), endpoint, cooldownMs, stepMs: cooldownMs }),
  /** A probe by the publishing process succeeded and closed that process's breaker of the endpoint. */
  z.strictObject({ ...head, kind: z.literal('closed'), endpoint }),
  /** The endpoint refused a call of the publishing process for a lasting reason, so the endpoint cools down. */
  z.strictObject({
    ...head,
    kind: z.literal('cooldown'),
    endpoint,
    class: z.enum(COOLDOWN_CLASSES),
    cooldownMs,
  }),
  /** A call of the publishing process got a 429, so these quotas cool down. */
  z.strictObject({
    ...head,
    kind: z.literal('quota'),
    endpoint,
    quotas: z.array(endpoint).min(1).max(4),
    cooldownMs,
  }),
]);

type WithoutHead<T> = T extends unknown ? Readonly<Omit<T, keyof typeof head>> : never;
type Body = WithoutHead<z.infer<typeof schema>>;

/** What a process reports to its peers. Names, kinds and times only: never a key, a prompt or an upstream's message. */
export type HealthReport = Exclude<Body, { readonly kind: 'asked' }>;

export interface HealthMessage {
  readonly from: string;
  readonly at: number;
  readonly report: Body;
}

/** Encodes a message. Undefined if it would be longer than the maximum. */
export function encodeMessage({ from, at, report }: HealthMessage): string | undefined {
  const text = JSON.stringify({ v: VERSION, from, at, ...report });
  return text.length <= MAX_LENGTH ? text : undefined;
}

/** Decodes a message. Undefined if the text is not a message of this version. Never throws. */
export function decodeMessage(text: string): HealthMessage | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { v: _version, from, at, ...report } = parsed.data;
  return { from, at, report };
}
