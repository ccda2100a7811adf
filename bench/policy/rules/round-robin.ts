import type { Rule } from './rule';

/** The next in turn of those that the call may use; on a failure the next again, twice. Timeout 30 s. */
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
