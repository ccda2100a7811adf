import { randomUUID } from 'node:crypto';

/** A UUID in one piece: Node's is a rope of two dozen strings, half a kilobyte for as long as the call lasts. */
export function newRequestId(): string {
  return Buffer.from(randomUUID(), 'latin1').toString('latin1');
}
