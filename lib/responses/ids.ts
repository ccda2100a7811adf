import { randomBytes } from 'node:crypto';

/** Marks what the balancer has made itself: no upstream knows these ids. */
const MARK = 'aib';
const OWN = new RegExp(`^[a-z]+_${MARK}[0-9a-f]{32}$`);

export function newId(prefix: 'resp' | 'msg' | 'fc' | 'rs'): string {
  return `${prefix}_${MARK}${randomBytes(16).toString('hex')}`;
}

/** Whether the balancer has made this id, in this process or another. */
export function isOwnId(id: unknown): boolean {
  return typeof id === 'string' && OWN.test(id);
}
