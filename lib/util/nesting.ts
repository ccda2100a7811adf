/**
 * The most levels of objects and arrays that a request or an answer may have. JSON.stringify is recursive, and no API
 * needs that many.
 */
export const MAX_NESTING = 512;

/** From this number of objects on, a level is searched for objects that occur more than once. */
const MIN_SHARED = 10_000;

/**
 * Whether a value holds objects or arrays nested deeper than `maxDepth`. A cycle is deeper than any limit. Not
 * recursive, because the caller determines the depth. Objects that occur more than once in a level are visited once, so
 * that they don't multiply from level to level.
 */
export function isNestedDeeper(value: unknown, maxDepth: number): boolean {
  let level: object[] = [];
  addObject(level, value);
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) return true;
    level = objectsIn(level);
  }
  return false;
}

function objectsIn(level: readonly object[]): object[] {
  let inner: object[] = [];
  let areDistinct = false;
  for (const item of level) {
    if (Array.isArray(item)) for (const value of item as unknown[]) addObject(inner, value);
    else for (const key in item) addObject(inner, (item as Record<string, unknown>)[key]);
    if (areDistinct || inner.length < MIN_SHARED) continue;
    // Judged by a sample: the millions of objects in a level of parsed JSON are all distinct, and a Set of them is
    // slow.
    areDistinct = unique(inner.slice(0, MIN_SHARED)).length > MIN_SHARED / 2;
    if (!areDistinct) inner = unique(inner);
  }
  return areDistinct ? inner : unique(inner);
}

function addObject(objects: object[], value: unknown): void {
  if (typeof value === 'object' && value !== null) objects.push(value);
}

function unique(objects: readonly object[]): object[] {
  return [...new Set(objects)];
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `[` and `]`. With `BRACE_BIT` set they become `{` and `}`. */
const OPENING = 0x5b;
const CLOSING = 0x5d;
const BRACE_BIT = 0x20;

/** Whether a JSON text is nested deeper than `maxDepth`, without parsing it. */
export function isTextNestedDeeper(text: string, maxDepth: number): boolean {
  // Most texts are short, or have few brackets between long strings.
  if (text.length <= 2 * maxDepth || count(text, '{', maxDepth) + count(text, '[', maxDepth) <= maxDepth)
    return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (at === -1) return false;
    } else if ((code & ~BRACE_BIT) === OPENING) {
      if (++depth > maxDepth) return true;
    } else if ((code & ~BRACE_BIT) === CLOSING) depth--;
  }
  return false;
}

/** How often a character occurs, at most `most` + 1. */
function count(text: string, character: string, most: number): number {
  let found = 0;
  for (let at = text.indexOf(character); at !== -1 && found <= most; at = text.indexOf(character, at + 1))
    found++;
  return found;
}

/** The position of the quote that ends the string whose first quote is at `start`; -1 if there is none. */
function endOfString(text: string, start: number): number {
  const quote = text.indexOf('"', start + 1);
  if (text.charCodeAt(quote - 1) !== BACKSLASH) return quote;
  let at = start + 1;
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) {
    if (at >= text.length) return -1;
    at += code === BACKSLASH ? 2 : 1;
  }
  return at;
}
