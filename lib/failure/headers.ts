/** Response headers as Node gives them. Names in lower case are found at once, others by a search. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

// Longer values are not of the kind read here.
const VALUE_LIMIT = 2048;

/** The first value of a header, trimmed; undefined when absent, empty or oversized. */
export function headerValue(headers: ResponseHeaders, name: string): string | undefined {
  let value: unknown = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (value === undefined) {
    const key = Object.keys(headers).find((key) => key.length === name.length && key.toLowerCase() === name);
    if (key === undefined) return undefined;
    value = headers[key];
  }
  return headerText(value);
}

/** The text of a header value of unsure shape: strings, numbers, and the first of a list. */
export function headerText(value: unknown): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  const text = typeof first === 'number' ? String(first) : first;
  if (typeof text !== 'string' || text.length > VALUE_LIMIT) return undefined;
  const trimmed = text.trim();
  return trimmed === '' ? undefined : trimmed;
}
