/** Limits which calls a fault applies to, and for how long. */
export interface FaultScope {
  /** The models whose calls the fault applies to. Default: all. */
  models?: string[];
  /** Share of calls that the fault applies to, 0 to 1. Default 1; 0.9 for storm429. */
  share?: number;
  /** Number of calls that the fault applies to before it ends. Default: no limit. */
  calls?: number;
  /** Milliseconds after which the fault ends. Default: it lasts until it is ended. */
  forMs?: number;
}

/** The form of a malformed answer with status 200. */
export type BadAnswer = 'html' | 'truncated_json' | 'empty_choices' | 'error_object' | 'no_finish';

/** Every form of a malformed answer. */
export const BAD_ANSWERS: readonly BadAnswer[] = [
  'html',
  'truncated_json',
  'empty_choices',
  'error_object',
  'no_finish',
];

/** A fault of a provider. It lasts until it is ended, or until the limits of its scope are reached. */
export type Fault = FaultScope &
  (
    | OutageFault
    | SilenceFault
    | BrownoutFault
    | ServerErrorFault
    | RateLimitStormFault
    | CutFault
    | StallFault
    | BadAnswerFault
    | RefusalFault
    | ErrorFault
    | ResetFault
    | DownFault
  );

/** Half of the calls get a 503 after 30 to 100 ms, half are accepted and never answered. */
export interface OutageFault {
  /** Selects this fault. */
  kind: 'outage';
}

/** Every call is accepted and never answered. */
export interface SilenceFault {
  /** Selects this fault. */
  kind: 'silence';
}

/** Every call that the fault applies to takes longer. */
export interface BrownoutFault {
  /** Selects this fault. */
  kind: 'brownout';
  /** Multiplies all latencies. Default 10. */
  factor?: number;
}

/** A 5xx status at the time of the first token. */
export interface ServerErrorFault {
  /** Selects this fault. */
  kind: 'err5xx';
  /** HTTP status of the answer. Default 500. */
  status?: number;
}

/** Status 429 after 80 ms with a Retry-After of 2 to 10 s, for 90 % of the calls unless `share` is given. */
export interface RateLimitStormFault {
  /** Selects this fault. */
  kind: 'storm429';
}

/** The socket is destroyed in the middle of the answer. */
export interface CutFault extends BreakPoint {
  /** Selects this fault. */
  kind: 'cut';
}

/** The answer stops in the middle and the connection stays open. */
export interface StallFault extends BreakPoint {
  /** Selects this fault. */
  kind: 'stall';
}

/** Status 200 with a malformed answer. */
export interface BadAnswerFault {
  /** Selects this fault. */
  kind: 'bad_answer';
  /** The form of the malformed answer. Default 'html'. */
  form?: BadAnswer;
}

/** 401 invalid_api_key, 429 insufficient_quota or 404 model_not_found. */
export interface RefusalFault {
  /** Selects this fault. */
  kind: 'unauthorized' | 'quota_exhausted' | 'model_missing';
}

/** The socket is destroyed as soon as the call has arrived. */
export interface ResetFault {
  /** Selects this fault. */
  kind: 'reset';
}

/** The server is down: its port is closed and every socket destroyed. The only scope it takes is `forMs`. */
export interface DownFault {
  /** Selects this fault. */
  kind: 'refuse';
}

/** Where an answer breaks off. */
export interface BreakPoint {
  /** Number of answer tokens sent before the break. Default: determined by `fraction`. */
  afterTokens?: number;
  /** Part of the answer sent before the break, 0 to 1. Default 0.5. */
  fraction?: number;
}

/** Any error answer. */
export interface ErrorFault {
  /** Selects this fault. */
  kind: 'error';
  /** HTTP status, 400 to 599. */
  status: number;
  /** `error.code` of the body. Default null. */
  code?: string;
  /** `error.type` of the body. Default: server_error from 500 on, invalid_request_error below. */
  type?: string;
  /** `error.message` of the body. Default: `Simulated error` and the status. */
  message?: string;
  /** Headers of the answer. */
  headers?: Record<string, string>;
  /** Milliseconds from arrival to the answer. Default 50. */
  afterMs?: number;
}

/** The `kind` of every fault. */
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

/** Validates a fault, for example one that was read from JSON. Throws a TypeError that names the field. */
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
