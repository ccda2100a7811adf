import { headerText } from '../../failure/http-answer';

/*
 * Formats of draft-ietf-httpapi-ratelimit-headers. From version 08: `RateLimit: "name";r=50;t=30` with
 * `RateLimit-Policy: "name";q=100;w=60;qu="tokens"`. Version 07: `RateLimit: limit=100, remaining=50, reset=30` with
 * `RateLimit-Policy: 100;w=60`. Parsed leniently, because servers mix the two.
 */

/** The state of one policy; the values are unparsed text. */
export interface IetfLimit {
  name: string;
  unit: string;
  limit: string | undefined;
  remaining: string | undefined;
  reset: string | undefined;
  windowSeconds: string | undefined;
}

/** Maximum number of list members, and of parameters of each, that are read. */
const MAX_MEMBERS = 16;

/** The limits in the `RateLimit` and `RateLimit-Policy` fields. */
export function parseIetfLimits(rateLimit: unknown, policy: unknown): IetfLimit[] {
  const states = parseList(rateLimit);
  const policies = parseList(policy);
  if (states.some(({ value }) => /^(?:limit|remaining|reset)=/i.test(value))) {
    const fields = new Map<string, string>();
    for (const { value } of states) {
      const [name = '', text = ''] = value.split('=', 2);
      fields.set(name.toLowerCase(), text);
    }
    const limit = fields.get('limit');
    const own = policies.find((candidate) => candidate.value === limit) ?? policies[0];
    return [limitOf('', own, limit, fields.get('remaining'), fields.get('reset'))];
  }
  return states.map(({ value, params }) => {
    const own =
      policies.find((candidate) => candidate.value === value) ??
      (policies.length === 1 ? policies[0] : undefined);
    return limitOf(value, own, own?.params.get('q') ?? own?.value, params.get('r'), params.get('t'));
  });
}

function limitOf(
  name: string,
  policy: Member | undefined,
  limit: string | undefined,
  remaining: string | undefined,
  reset: string | undefined,
): IetfLimit {
  const unit = policy?.params.get('qu') ?? '';
  return { name, unit, limit, remaining, reset, windowSeconds: policy?.params.get('w') };
}

/**
 * The window, in seconds, of `RateLimit-Policy: 100;w=60` or `RateLimit-Limit: 100, 100;w=60`, for the separate fields
 * of older drafts.
 */
export function policyWindow(value: unknown, limit: string | undefined): string | undefined {
  const policies = parseList(value).filter(({ params }) => params.has('w'));
  const own = policies.find((policy) => (policy.params.get('q') ?? policy.value) === limit) ?? policies[0];
  return own?.params.get('w');
}

interface Member {
  value: string;
  params: ReadonlyMap<string, string>;
}

/** Match the text between commas (`LIST_ITEM`) or semicolons (`ITEM_PART`) that are not inside quotes. */
const LIST_ITEM = /(?:[^",]|"[^"]*"?)+/g;
const ITEM_PART = /(?:[^";]|"[^"]*"?)+/g;

/** A structured-field list of items with parameters (RFC 9651), simplified. */
function parseList(header: unknown): Member[] {
  const text = Array.isArray(header) ? header.filter((line) => typeof line === 'string').join(',') : header;
  const whole = headerText(text);
  if (whole === undefined) return [];
  return (whole.match(LIST_ITEM) ?? []).slice(0, MAX_MEMBERS).map((item) => {
    const [head = '', ...rest] = item.match(ITEM_PART) ?? [];
    const params = new Map<string, string>();
    for (const part of rest.slice(0, MAX_MEMBERS)) {
      const equals = part.indexOf('=');
      if (equals > 0) params.set(part.slice(0, equals).trim().toLowerCase(), unquote(part.slice(equals + 1)));
    }
    return { value: unquote(head), params };
  });
}

function unquote(text: string): string {
  const trimmed = text.trim();
  return trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"')
    ? trimmed.slice(1, -1)
    : trimmed;
}
