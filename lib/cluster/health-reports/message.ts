import { z } from 'zod';
import { parseJson } from '../../util/parse-json';

export const COOLDOWN_CLASSES = ['quota_exhausted', 'unauthorized', 'model_missing'] as const;
/** The failure classes that cool an endpoint down. */
export type CooldownClass = (typeof COOLDOWN_CLASSES)[number];

const VERSION = 1;
/** The longest message that is read, in characters. The longest valid names fit. */
const MAX_LENGTH = 4096;

/** Names have at most 200 characters. */
const endpoint = z.string().min(1).max(220);
const cooldownMs = z.number().nonnegative();
const head = {
  v: z.literal(VERSION),
  /** The process that publishes it. */
  from: z.string().min(1).max(64),
  /** Milliseconds on Redis's clock. */
  at: z.number().nonnegative(),
};

/** Strict: a message with unknown fields is ignored. A later format gets another version number. */
const schema = z.discriminatedUnion('kind', [
  /** It has just started, and asks for the reports that still count. */
  z.strictObject({ ...head, kind: z.literal('asked') }),
  /** Its breaker opened, by its own evidence. `stepMs` is `cooldownMs` before jitter, which the next failure doubles. */
  z.strictObject({ ...head, kind: z.literal('opened'), endpoint, cooldownMs, stepMs: cooldownMs }),
  /** Its own probe closed its breaker. */
  z.strictObject({ ...head, kind: z.literal('closed'), endpoint }),
  /** The endpoint refused one of its calls for a reason that lasts. */
  z.strictObject({
    ...head,
    kind: z.literal('cooldown'),
    endpoint,
    class: z.enum(COOLDOWN_CLASSES),
    cooldownMs,
  }),
  /** It got a 429: these quotas cool down. */
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

/** Undefined if the message would be too long to be read. */
export function encodeMessage({ from, at, report }: HealthMessage): string | undefined {
  const text = JSON.stringify({ v: VERSION, from, at, ...report });
  return text.length <= MAX_LENGTH ? text : undefined;
}

/** Undefined for everything that is not a message of this version. Never throws. */
export function decodeMessage(text: string): HealthMessage | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { v: _version, from, at, ...report } = parsed.data;
  return { from, at, report };
}
