import type { QueuedCall, Resource, StartResult } from '../../lib/queue/queued-call';

/** A token bucket on the (fake) monotonic clock. It refills continuously up to its depth. */
export class TestBucket implements Resource {
  readonly tokensPerMs: number;
  readonly requestsPerMs = Infinity;
  readonly depth: number;
  admitted = 0;
  #level: number;
  #at = performance.now();

  constructor(tokensPerMs: number, depth = tokensPerMs * 1000, level = depth) {
    this.tokensPerMs = tokensPerMs;
    this.depth = depth;
    this.#level = level;
  }

  get level(): number {
    const now = performance.now();
    this.#level = Math.min(this.depth, this.#level + (now - this.#at) * this.tokensPerMs);
    this.#at = now;
    return this.#level;
  }

  /** Milliseconds until the tokens are available. A call larger than the depth can start once the bucket is full. */
  waitMs(tokens: number): number {
    return Math.max(0, Math.min(tokens, this.depth) - this.level) / this.tokensPerMs;
  }

  tryTake(tokens: number): boolean {
    if (this.waitMs(tokens) > 1e-6) return false;
    this.#level -= tokens;
    this.admitted += tokens;
    return true;
  }

  refund(tokens: number): void {
    this.#level = Math.min(this.depth, this.level + tokens);
  }
}

export type CallOverrides = Partial<QueuedCall<TestBucket>> & { onTry?(): void };

/** A call that starts on the first bucket with enough tokens and otherwise waits for the one that has them soonest. */
export function queuedCall(
  buckets: readonly TestBucket[],
  overrides: CallOverrides = {},
): QueuedCall<TestBucket> {
  const call: QueuedCall<TestBucket> = {
    poolKey: 'all',
    resources: buckets,
    priority: 3,
    tenant: '',
    promptTokens: 900,
    outputTokens: 100,
    deadlineAt: Infinity,
    serviceMs: 0,
    tryStart: (isHeld) => {
      overrides.onTry?.();
      return take(buckets, call.promptTokens + call.outputTokens, isHeld);
    },
    ...overrides,
  };
  return call;
}

function take(
  buckets: readonly TestBucket[],
  tokens: number,
  isHeld: (resource: Resource) => boolean,
): StartResult<TestBucket> {
  const free = buckets.filter((bucket) => !isHeld(bucket));
  for (const bucket of free) if (bucket.tryTake(tokens)) return { kind: 'started', slot: bucket };
  const [on] = free.sort((a, b) => a.waitMs(tokens) - b.waitMs(tokens));
  return on ? { kind: 'waiting', on, waitMs: on.waitMs(tokens) } : { kind: 'waiting', waitMs: Infinity };
}

/** How and when a call left the queue. */
export interface CallOutcome {
  readonly at: number;
  readonly started: boolean;
  readonly code?: string;
  readonly retryAfterMs?: number;
}

export function outcomeOf(promise: Promise<unknown>): Promise<CallOutcome> {
  return promise.then(
    () => ({ at: performance.now(), started: true }),
    (error: unknown) => {
      const { code, retryAfterMs } = error as { code?: string; retryAfterMs?: number };
      return {
        at: performance.now(),
        started: false,
        ...(code !== undefined && { code }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      };
    },
  );
}
