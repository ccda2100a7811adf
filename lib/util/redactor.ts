import { BoundedMap } from './bounded-map';

const REDACTED = '[redacted]';
/** Shorter secrets are not replaced: they would match in ordinary text. */
const MIN_SECRET_CHARS = 4;
/** Secrets below this length are replaced only as whole words, because they may occur within ordinary words. */
const MIN_ANYWHERE_CHARS = 8;
/** The most keys returned by functions of the app that are remembered. */
const MAX_RESOLVED_SECRETS = 1_000;
/** One escaped character of JSON, a URL or HTML. */
const ESCAPED =
  /\\u([0-9a-f]{4})|%([0-9a-f]{2})|&#x([0-9a-f]{1,6});|&#(\d{1,7});|\\(["\\/])|&(amp|lt|gt|quot);/gi;
const HTML_ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };

type Range = [start: number, end: number];

/**
 * Replaces the secrets of a configuration in texts that come from elsewhere, such as the error message of an upstream
 * that quotes the key. A secret is found as it is, in upper or lower case, with any of its characters escaped for JSON,
 * a URL or HTML, and where the end of the text cuts it off.
 */
export class Redactor {
  /**
   * The configured secrets in lower case. Those of earlier configurations stay, because calls in flight still use them.
   */
  readonly #configured = new Set<string>();
  readonly #resolved = new BoundedMap<string, true>(MAX_RESOLVED_SECRETS);

  constructor(secrets: Iterable<string> = []) {
    this.configure(secrets);
  }

  configure(secrets: Iterable<string>): void {
    for (const secret of secrets) if (isLongEnough(secret)) this.#configured.add(lower(secret));
  }

  /** Adds a key that a function of the app has returned. */
  addResolved(secret: string): void {
    if (isLongEnough(secret) && !this.#configured.has(lower(secret))) this.#resolved.set(lower(secret), true);
  }

  redact(text: string): string {
    if (text === '') return text;
    const ranges = this.#find(text);
    // A secret may hold an escape itself, so the text is searched as it is as well.
    if (text.search(ESCAPED) >= 0) {
      const unescaped = unescape(text);
      for (const [from, to] of this.#find(unescaped.text)) {
        ranges.push([unescaped.starts[from] as number, unescaped.starts[to] as number]);
      }
    }
    return replaceRanges(text, ranges);
  }

  #find(text: string): Range[] {
    const haystack = lower(text);
    const ranges: Range[] = [];
    for (const secret of this.#secrets()) findSecret(haystack, secret, ranges);
    return ranges;
  }

  *#secrets(): Generator<string, void> {
    yield* this.#configured;
    for (const [secret] of this.#resolved.entries()) yield secret;
  }
}

function replaceRanges(text: string, ranges: Range[]): string {
  ranges.sort(([a], [b]) => a - b);
  let redacted = '';
  let end = 0;
  for (const [from, to] of ranges) {
    if (from >= end) redacted += text.slice(end, from) + REDACTED;
    end = Math.max(end, to);
  }
  return redacted + text.slice(end);
}

function findSecret(haystack: string, secret: string, ranges: Range[]): void {
  for (let at = haystack.indexOf(secret); at >= 0; at = haystack.indexOf(secret, at + 1)) {
    const end = at + secret.length;
    if (secret.length >= MIN_ANYWHERE_CHARS || isWholeWord(haystack, at, end)) ranges.push([at, end]);
  }
  // The text may hold only a part of a secret: next to a mark that has replaced the rest, or cut off at the end.
  let start = 0;
  for (let at = haystack.indexOf(REDACTED); at >= 0; at = haystack.indexOf(REDACTED, start)) {
    findPrefix(haystack, secret, ranges, start, at);
    start = at + REDACTED.length;
    findSuffix(haystack, secret, ranges, start);
  }
  findPrefix(haystack, secret, ranges, start, haystack.length);
}

/**
 * Finds the beginning of a secret that ends at `end`, where the text was cut off or a part of the secret is already
 * replaced.
 */
function findPrefix(haystack: string, secret: string, ranges: Range[], after: number, end: number): void {
  const from = Math.max(after, end - secret.length + 1);
  if (end - from < MIN_SECRET_CHARS) return;
  const window = haystack.slice(from, end);
  const beginning = secret.slice(0, MIN_SECRET_CHARS);
  for (let at = window.indexOf(beginning); at >= 0; at = window.indexOf(beginning, at + 1)) {
    if (!secret.startsWith(window.slice(at))) continue;
    ranges.push([from + at, end]);
    return;
  }
}

/** Finds the end of a secret that begins at `start`, where a part of the secret is already replaced. */
function findSuffix(haystack: string, secret: string, ranges: Range[], start: number): void {
  const window = haystack.slice(start, start + secret.length - 1);
  const ending = secret.slice(-MIN_SECRET_CHARS);
  // At 0 it always returns.
  for (let at = window.lastIndexOf(ending); at >= 0; at = window.lastIndexOf(ending, at - 1)) {
    const length = at + MIN_SECRET_CHARS;
    if (!secret.endsWith(window.slice(0, length))) continue;
    ranges.push([start, start + length]);
    return;
  }
}

function isWholeWord(text: string, start: number, end: number): boolean {
  return !/[a-z0-9]/.test(text.charAt(start - 1)) && !/[a-z0-9]/.test(text.charAt(end));
}

/**
 * The text with its escapes decoded, and for each character of the result, and for its end, the position in the
 * original text.
 */
function unescape(text: string): { text: string; starts: Uint32Array } {
  const parts: string[] = [];
  const starts = new Uint32Array(text.length + 1);
  let length = 0;
  const copy = (from: number, to: number): void => {
    parts.push(text.slice(from, to));
    for (let at = from; at < to; at++) starts[length++] = at;
  };
  let end = 0;
  for (const match of text.matchAll(ESCAPED)) {
    copy(end, match.index);
    const decoded = decode(match);
    parts.push(decoded);
    // An escape is longer than what it stands for.
    starts.fill(match.index, length, length + decoded.length);
    length += decoded.length;
    end = match.index + match[0].length;
  }
  copy(end, text.length);
  starts[length] = text.length;
  return { text: parts.join(''), starts };
}

function decode([, unicode, percent, htmlHex, htmlDecimal, escaped, entity]: RegExpMatchArray): string {
  if (escaped !== undefined) return escaped;
  if (entity !== undefined) return HTML_ENTITIES[entity.toLowerCase()] as string;
  const hex = unicode ?? percent ?? htmlHex;
  const code = hex === undefined ? Number(htmlDecimal) : Number.parseInt(hex, 16);
  return code <= 0x10_ff_ff ? String.fromCodePoint(code) : '\ufffd';
}

function isLongEnough(secret: string): boolean {
  return secret.length >= MIN_SECRET_CHARS;
}

/** Lower case of ASCII letters only, which keeps the length. */
function lower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
