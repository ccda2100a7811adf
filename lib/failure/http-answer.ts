/** Response headers as Node.js provides them. Names in lower case are looked up directly, others by a search. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** An HTTP response whose body has been read as text. */
export interface HttpAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Response headers. */
  readonly headers: HttpHeaders;
  /** The body as text. */
  readonly body: string;
}

/** Maximum length of a header value, longer than any that this package needs. Longer values are ignored. */
const MAX_VALUE_LENGTH = 2048;

/** The first value of a header, trimmed; undefined if it is absent, empty or oversized. `name` is in lower case. */
export function headerValue(headers: HttpHeaders, name: string): string | undefined {
  let value: unknown = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (value === undefined) {
    const key = Object.keys(headers).find((key) => key.length === name.length && key.toLowerCase() === name);
    if (key === undefined) return undefined;
    value = headers[key];
  }
  return headerText(value);
}

/** The text of a header value of unknown type: a string, a number, or the first entry of a list. */
export function headerText(value: unknown): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  const text = typeof first === 'number' ? String(first) : first;
  if (typeof text !== 'string' || text.length > MAX_VALUE_LENGTH) return undefined;
  const trimmed = text.trim();
  return trimmed === '' ? undefined : trimmed;
}
