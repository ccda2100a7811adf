/** The position of a string (without its quotes) or of a number in a JSON text. */
export interface JsonSpan {
  readonly start: number;
  readonly end: number;
  readonly type: 'string' | 'number';
}

const MAX_DEPTH = 16;
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * The spans of a JSON text by path, such as `choices.0.delta.content`. The text must have passed JSON.parse. Undefined
 * if a path might not identify one value (a key twice in one object, a key with an escape or a dot), or if the nesting
 * is deeper than that of chunks.
 */
export function jsonSpans(text: string): Map<string, JsonSpan> | undefined {
  const spans = new Map<string, JsonSpan>();
  const keyPaths = new Set<string>();
  /** For each open object its current key, for each open array its current index. */
  const path: (string | number)[] = [];
  let isKeyNext = false;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const last = path.length - 1;
    if (token === '{' || token === '[') {
      isKeyNext = token === '{';
      if (path.push(isKeyNext ? '' : 0) > MAX_DEPTH) return undefined;
    } else if (token === '}' || token === ']') {
      isKeyNext = false;
      path.pop();
    } else if (token === ',') {
      const current = path[last];
      if (typeof current === 'number') path[last] = current + 1;
      else isKeyNext = true;
    } else if (isKeyNext) {
      isKeyNext = false;
      const key = token.slice(1, -1);
      path[last] = key;
      const keyPath = path.join('.');
      if (/[\\.]/.test(key) || keyPaths.has(keyPath)) return undefined;
      keyPaths.add(keyPath);
    } else if (token.startsWith('"'))
      spans.set(path.join('.'), { start: index + 1, end: index + token.length - 1, type: 'string' });
    else if (/^[-\d]/.test(token))
      spans.set(path.join('.'), { start: index, end: index + token.length, type: 'number' });
  }
  return spans;
}
