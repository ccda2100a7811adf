import type { SharedLimiter } from '../../lib/cluster/quota-lease/local-view';

/** Units of the ledger in one of ours. */
export const SCALE = 60_000;

/** A ledger as Redis keeps it, on the fake clock: answers take time, and come in the order of the questions. */
export class SimulatedLimiter {
  isDown = false;
  requestCount = 0;
  level: number;
  #rate: number;
  #maximum: number;
  #at = performance.now();

  /** @param limit Units a minute. */
  constructor(limit: number, depthMs: number) {
    this.#rate = limit;
    this.#maximum = limit * depthMs;
    this.level = this.#maximum;
  }

  /** What one process has of it. */
  connect(latencyMs: () => number): SharedLimiter {
    return {
      take: (units) => this.#respond(latencyMs(), () => this.#take(units)),
      level: () => this.#respond(latencyMs(), () => this.#take(0)),
      configure: ({ rate, maximum }) =>
        this.#respond(latencyMs(), () => {
          this.#refill();
          this.#rate = rate;
          this.#maximum = maximum;
        }),
      close: () => undefined,
    };
  }

  #respond<T>(latencyMs: number, step: () => T): Promise<T> {
    this.requestCount++;
    return new Promise((resolve, reject) => {
      setTimeout(() => {
        if (this.isDown) {
          reject(new Error('Redis is away'));
          return;
        }
        const result = step();
        setTimeout(() => resolve(result), latencyMs / 2);
      }, latencyMs / 2);
    });
  }

  #take(units: number): number {
    if (!Number.isInteger(units)) throw new Error('ERR hash value is not an integer');
    // In this order, as Bottleneck does it.
    this.level -= units;
    this.#refill();
    return this.level;
  }

  #refill(): void {
    const now = performance.now();
    const refilled = Math.min(this.#maximum, this.level + (now - this.#at) * this.#rate);
    this.level = Math.max(this.level, refilled);
    this.#at = now;
  }
}
