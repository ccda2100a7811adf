import { randomBytes } from 'node:crypto';

/** Part of every id that the balancer generates itself, and that no upstream knows. */
const MARK = 'aib';
const OWN = new RegExp(`^[a-z]+_${MARK}[0-9a-f]{32}$`);

export function newId(prefix: 'resp' | 'msg' | 'fc' | 'rs'): string {
  return `${prefix}_${MARK}${randomBytes(16).toString('hex')}`;
}

/** Whether the balancer has generated this id, in this process or another. */
export function isOwnId(id: unknown): boolean {
  return typeof id === 'string' && OWN.test(id);
}
