import { randomBytes } from 'node:crypto';

/** Marks an id that the balancer has generated itself, and that therefore no upstream knows. */
const MARK = 'aib';
const OWN = new RegExp(`^[a-z]+_${MARK}[0-9a-f]{32}$`);

export function newId(prefix: 'resp' | 'msg' | 'fc' | 'rs'): string {
  return `${prefix}_${MARK}${randomBytes(16).toString('hex')}`;
}

/** Whether the balancer has generated this id, in this process or another. */
export function isOwnId(id: unknown): boolean {
  return typeof id === 'string' && OWN.test(id);
}
