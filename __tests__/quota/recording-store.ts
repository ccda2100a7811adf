import type { LimiterStore, SharedLimiter } from '../../lib/quota/limiter';
import { GrantRequest } from '../../lib/util/grant-request';

/** A store whose limiters record how they are called. */
export function recordingStore(answer?: { left: number }) {
  const calls: unknown[][] = [];
  const record =
    (name: string) =>
    (...args: unknown[]) =>
      void calls.push([name, ...args]);
  const limiter: SharedLimiter = {
    waitMs: (units, bucketWaitMs) => bucketWaitMs + units,
    prefetch: record('prefetch'),
    reserve: (units) => {
      calls.push(['reserve', units]);
      return new GrantRequest(units, () => undefined);
    },
    refund: record('refund'),
    overdraw: record('overdraw'),
    correct: record('correct'),
    adjust: (units) => {
      calls.push(['adjust', units]);
      return Promise.resolve(answer?.left);
    },
    close: record('close'),
  };
  const store: LimiterStore = {
    open: (id, _bucket, terms) => {
      calls.push(['open', id, terms]);
      return limiter;
    },
    configure: record('configure'),
  };
  return { store, calls };
}
