import { headerText } from '../../failure/http-answer';

/*
 * draft-ietf-httpapi-ratelimit-headers. From its eighth version: `RateLimit: "name";r=50;t=30` beside
 * `RateLimit-Policy: "name";q=100;w=60;qu="tokens"`. Its seventh: `RateLimit: limit=100, remaining=50, reset=30`
 * beside `RateLimit-Policy: 100;w=60`. Parsed leniently, because servers mix the two.
 */

/** The state of one policy; the values are unparsed text. */
export interface IetfLimit {
  name: string;
  unit: string;
  limit?: string;
  remaining?: string;
  reset?: string;
  windowSeconds?: string;
}

/** How many members of a list are read. */
const MAX_MEMBERS = 16;

/** The limits in the `RateLimit` and `RateLimit-Policy` fields. */
export function parseIetfLimits(rateLimit: unknown, policy: unknown): IetfLimit[] {
  const states = parseList(rateLimit);
  const policies = parseList(policy);
  if (states.some(({ value }) => /^(?:limit|remaining|reset)=/i.test(value)))
    return [parseSeventhDraft(states, policies)];
  return states.map(({ value, params }) => {
    const own =
      policies.find((candidate) => candidate.value === value) ??
      (policies.length === 1 ? policies[0] : undefined);
    return limitOf({
      name: value,
      unit: own?.params.get('qu') ?? '',
      limit: own?.params.get('q') ?? numeric(own?.value),
      remaining: params.get('r'),
      reset: params.get('t'),
      windowSeconds: own?.params.get('w'),
    });
  });
}

/** The window in `RateLimit-Policy: 100;w=60` or `RateLimit-Limit: 100, 100;w=60`, for the older, split fields. */
export function policyWindow(value: unknown, limit: string | undefined): string | undefined {
  const policies = parseList(value).filter(({ params }) => params.has('w'));
  const own = policies.find((policy) => (policy.params.get('q') ?? policy.value) === limit) ?? policies[0];
  return own?.params.get('w');
}

function parseSeventhDraft(states: readonly Member[], policies: readonly Member[]): IetfLimit {
  const fields = new Map<string, string>();
  for (const { value } of states) {
    const [name = '', text = ''] = value.split('=', 2);
    fields.set(name.toLowerCase(), text);
  }
  const limit = fields.get('limit');
  const own = policies.find((policy) => policy.value === limit) ?? policies[0];
  return limitOf({
    name: '',
    unit: own?.params.get('qu') ?? '',
    limit,
    remaining: fields.get('remaining'),
    reset: fields.get('reset'),
    windowSeconds: own?.params.get('w'),
  });
}

interface Member {
  value: string;
  params: ReadonlyMap<string, string>;
}

/** A structured-field list of items with parameters (RFC 9651), simplified. */
function parseList(header: unknown): Member[] {
  const text = Array.isArray(header) ? header.filter((line) => typeof line === 'string').join(',') : header;
  const whole = headerText(text);
  if (whole === undefined) return [];
  const members: Member[] = [];
  for (const item of splitOutsideQuotes(whole, ',')) {
    const [head = '', ...rest] = splitOutsideQuotes(item, ';');
    const params = new Map<string, string>();
    for (const part of rest.slice(0, MAX_MEMBERS)) {
      const equals = part.indexOf('=');
      if (equals > 0) params.set(part.slice(0, equals).trim().toLowerCase(), unquote(part.slice(equals + 1)));
    }
    members.push({ value: unquote(head), params });
    if (members.length === MAX_MEMBERS) break;
  }
  return members;
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') quoted = !quoted;
    else if (char === separator && !quoted) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function unquote(text: string): string {
  const trimmed = text.trim();
  return trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"')
    ? trimmed.slice(1, -1)
    : trimmed;
}

function numeric(text: string | undefined): string | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? text : undefined;
}

function limitOf(fields: { [K in keyof IetfLimit]: IetfLimit[K] | undefined }): IetfLimit {
  const { name = '', unit = '', limit, remaining, reset, windowSeconds } = fields;
  return {
    name,
    unit,
    ...(limit === undefined ? {} : { limit }),
    ...(remaining === undefined ? {} : { remaining }),
    ...(reset === undefined ? {} : { reset }),
    ...(windowSeconds === undefined ? {} : { windowSeconds }),
  };
}
