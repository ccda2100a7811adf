/** The position of a string (without its quotes) or of a number in a JSON text. */
export interface JsonSpan {
  readonly start: number;
  readonly end: number;
  readonly type: 'string' | 'number';
}

const MAX_DEPTH = 16;
const NUMBER = /[-+.\deE]+/y;
const LITERAL = /true|false|null/y;
const WHITESPACE = /[ \t\r\n]*/y;

/**
 * The spans of a JSON text by path, such as `choices.0.delta.content`. The text must have passed JSON.parse. Undefined
 * if a path might not identify one value (a key twice in one object, a key with an escape or a dot), or if the nesting
 * is deeper than that of chunks.
 */
export function jsonSpans(text: string): Map<string, JsonSpan> | undefined {
  const walker = new SpanWalker(text);
  return walker.readValue('', 0) ? walker.spans : undefined;
}

class SpanWalker {
  readonly spans = new Map<string, JsonSpan>();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readValue(path: string, depth: number): boolean {
    if (depth > MAX_DEPTH) return false;
    this.#skip(WHITESPACE);
    const first = this.#text[this.#at];
    if (first === '{') return this.#readObject(path, depth);
    if (first === '[') return this.#readArray(path, depth);
    const start = this.#at;
    if (first === '"') {
      this.#skipString();
      this.spans.set(path, { start: start + 1, end: this.#at - 1, type: 'string' });
      return true;
    }
    if (this.#skip(LITERAL)) return true;
    if (!this.#skip(NUMBER)) return false;
    this.spans.set(path, { start, end: this.#at, type: 'number' });
    return true;
  }

  #readObject(path: string, depth: number): boolean {
    const keys = new Set<string>();
    while (this.#hasNextItem('}')) {
      this.#skip(WHITESPACE);
      const start = this.#at;
      this.#skipString();
      const key = this.#text.slice(start + 1, this.#at - 1);
      if (keys.has(key) || /[\\.]/.test(key)) return false;
      keys.add(key);
      this.#skip(WHITESPACE);
      this.#at++; // the colon
      if (!this.readValue(path === '' ? key : `${path}.${key}`, depth + 1)) return false;
    }
    return true;
  }

  #readArray(path: string, depth: number): boolean {
    for (let index = 0; this.#hasNextItem(']'); index++) {
      if (!this.readValue(`${path}.${index}`, depth + 1)) return false;
    }
    return true;
  }

  /** Consumes the opening bracket or comma; false at the closing bracket, which is consumed too. */
  #hasNextItem(closing: string): boolean {
    this.#skip(WHITESPACE);
    if (this.#text[this.#at] === closing) {
      this.#at++;
      return false;
    }
    this.#at++;
    this.#skip(WHITESPACE);
    if (this.#text[this.#at] !== closing) return true;
    this.#at++;
    return false;
  }

  #skipString(): void {
    for (this.#at++; this.#text[this.#at] !== '"'; this.#at++) if (this.#text[this.#at] === '\\') this.#at++;
    this.#at++;
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }
}
