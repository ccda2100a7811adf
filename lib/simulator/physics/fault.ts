/** What a fault is limited to. */
export interface FaultScope {
  /** Only calls to these models. Default: all. */
  models?: string[];
  /** That share of the calls, 0 to 1. Default 1; 0.9 for storm429. */
  share?: number;
  /** Only that many of the next calls it applies to; then it ends. Default: no end. */
  calls?: number;
  /** It ends by itself after that many ms. Default: it doesn't. */
  forMs?: number;
}

/** An answer with status 200 that is not an answer. */
export type BadAnswer = 'html' | 'truncated_json' | 'empty_choices' | 'error_object' | 'no_finish';

export const BAD_ANSWERS: readonly BadAnswer[] = [
  'html',
  'truncated_json',
  'empty_choices',
  'error_object',
  'no_finish',
];

/** Something that goes wrong at a provider, until it is ended. */
export type Fault = FaultScope &
  (
    | /** Half of the calls get a 503 in 30-100 ms, half are accepted and never answered. */ {
        kind: 'outage';
      }
    | /** Every call is accepted and never answered. */ { kind: 'silence' }
    | /** Everything takes `factor` times as long. Default 10. */ { kind: 'brownout'; factor?: number }
    | /** A 5xx at the time of the first token. Default status 500. */ { kind: 'err5xx'; status?: number }
    | /** 429 after 80 ms with a Retry-After of 2-10 s. */ { kind: 'storm429' }
    | /** The socket is destroyed in the middle of the answer. */ ({ kind: 'cut' } & Break)
    | /** The answer stops in the middle and the connection stays open. */ ({ kind: 'stall' } & Break)
    | /** Default form 'html'. */ { kind: 'bad_answer'; form?: BadAnswer }
    | { kind: 'unauthorized' }
    | { kind: 'quota_exhausted' }
    | { kind: 'model_missing' }
    | /** Any error at all. */ ErrorFault
    | /** The socket is destroyed as soon as the call has arrived. */ { kind: 'reset' }
    | /** The server is gone: port closed, every socket destroyed. Takes no scope but `forMs`. */ {
        kind: 'refuse';
      }
  );

export interface Break {
  /** After that many tokens of the answer. Default: `fraction`. */
  afterTokens?: number;
  /** After that part of the answer, 0 to 1. Default 0.5. */
  fraction?: number;
}

export interface ErrorFault {
  kind: 'error';
  status: number;
  code?: string;
  type?: string;
  message?: string;
  headers?: Record<string, string>;
  /** Default 50. */
  afterMs?: number;
}

export type FaultKind = Fault['kind'];

const OWN_FIELDS: Record<FaultKind, readonly string[]> = {
  outage: [],
  silence: [],
  brownout: ['factor'],
  err5xx: ['status'],
  storm429: [],
  cut: ['afterTokens', 'fraction'],
  stall: ['afterTokens', 'fraction'],
  bad_answer: ['form'],
  unauthorized: [],
  quota_exhausted: [],
  model_missing: [],
  error: ['status', 'code', 'type', 'message', 'headers', 'afterMs'],
  reset: [],
  refuse: [],
};

const NUMBERS: Record<string, readonly [low: number, high: number]> = {
  share: [0, 1],
  fraction: [0, 1],
  calls: [1, Infinity],
  forMs: [0, Infinity],
  factor: [0, Infinity],
  afterTokens: [0, Infinity],
  afterMs: [0, Infinity],
  status: [400, 599],
};

/** Reads a fault that came as JSON. Throws a TypeError that names the field. */
export function parseFault(value: unknown): Fault {
  if (!isRecord(value)) throw new TypeError(`fault: expected an object, got ${describe(value)}`);
  const kind = value.kind;
  if (typeof kind !== 'string' || !Object.hasOwn(OWN_FIELDS, kind)) {
    throw new TypeError(
      `fault.kind: expected one of ${Object.keys(OWN_FIELDS).join(', ')}, got ${describe(kind)}`,
    );
  }
  const own = OWN_FIELDS[kind as FaultKind];
  const scope = kind === 'refuse' ? ['forMs'] : ['models', 'share', 'calls', 'forMs'];
  for (const [field, given] of Object.entries(value)) {
    if (field === 'kind' || given === undefined) continue;
    if (!own.includes(field) && !scope.includes(field)) {
      throw new TypeError(`fault.${field} is not an option of '${kind}'`);
    }
    checkField(field, given);
  }
  if (kind === 'error' && value.status === undefined) throw new TypeError('fault.status: expected a number');
  return value as unknown as Fault;
}

function checkField(field: string, given: unknown): void {
  const range = NUMBERS[field];
  if (range && !(typeof given === 'number' && given >= range[0] && given <= range[1])) {
    throw new TypeError(
      `fault.${field}: expected a number from ${range[0]} to ${range[1]}, got ${describe(given)}`,
    );
  }
  if (field === 'models' && !(Array.isArray(given) && given.every((model) => typeof model === 'string'))) {
    throw new TypeError(`fault.models: expected an array of strings, got ${describe(given)}`);
  }
  if (field === 'form' && !BAD_ANSWERS.some((form) => form === given)) {
    throw new TypeError(`fault.form: expected one of ${BAD_ANSWERS.join(', ')}, got ${describe(given)}`);
  }
}

function describe(value: unknown): string {
  return (JSON.stringify(value) as string | undefined)?.slice(0, 80) ?? String(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
