import type { SharedLimiter } from '../../lib/cluster/quota-lease/ports';

/** Units of the limiter per request or token. */
export const SCALE = 60_000;

/** The limiter that Redis keeps, on the fake clock. Replies take time and come in the order of requests. */
export class SimulatedLimiter {
  isDown = false;
  requestCount = 0;
  level: number;
  #rate: number;
  #maximum: number;
  #at = performance.now();

  /** @param limit Units per minute. */
  constructor(limit: number, depthMs: number) {
    this.#rate = limit;
    this.#maximum = limit * depthMs;
    this.level = this.#maximum;
  }

  /** The limiter as one process sees it. */
  connect(latencyMs: () => number): SharedLimiter {
    return {
      take: (units) => this.#respond(latencyMs(), () => this.#take(units)),
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
          reject(new Error('Redis is unreachable'));
          return;
        }
        const result = step();
        setTimeout(() => resolve(result), latencyMs / 2);
      }, latencyMs / 2);
    });
  }

  #take(units: number): number {
    if (!Number.isInteger(units)) throw new Error('ERR hash value is not an integer');
    // In the order of Bottleneck's script.
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
