/** Whether a value holds objects or arrays nested deeper than `maxDepth`; a cycle is. Not recursive: the depth is the caller's. */
export function isNestedDeeper(value: unknown, maxDepth: number): boolean {
  let level = new Set<object>();
  addObject(level, value);
  for (let depth = 1; level.size > 0; depth++) {
    if (depth > maxDepth) return true;
    const next = new Set<object>();
    for (const item of level) {
      for (const inner of Array.isArray(item) ? item : Object.values(item)) addObject(next, inner);
    }
    level = next;
  }
  return false;
}

function addObject(objects: Set<object>, value: unknown): void {
  if (typeof value === 'object' && value !== null) objects.add(value);
}
