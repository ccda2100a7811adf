import type { Rule } from './rule';

/** Round robin over the allowed endpoints, with two retries at the next ones. Timeout 30 s. */
export function roundRobin(): Rule<undefined> {
  let turn = 0;
  return {
    name: 'round robin, 2 retries',
    maxAttempts: 3,
    timeoutMs: 30_000,
    state: () => undefined,
    pick: (allowed) => allowed[turn++ % allowed.length],
  };
}
