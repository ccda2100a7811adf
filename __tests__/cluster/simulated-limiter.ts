import type { Reservoir } from '../../lib/cluster/quota-lease/ports';

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
    this.#rate = limit / 60_000;
    this.#maximum = Math.floor((limit * depthMs) / 60_000);
    this.level = this.#maximum;
  }

  /** The limiter as one process sees it. */
  connect(latencyMs: () => number): Reservoir {
    return {
      take: (units) => this.#respond(latencyMs(), () => this.#take(units)),
      configure: ({ limit, maximum }) =>
        this.#respond(latencyMs(), () => {
          this.#refill();
          this.#rate = limit / 60_000;
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
    this.#refill();
    this.level = Math.min(this.level - units, Math.max(this.level, this.#maximum));
    return this.level;
  }

  /** In whole units, as Redis counts. */
  #refill(): void {
    const now = performance.now();
    const refilled = Math.floor((now - this.#at) * this.#rate);
    this.level = Math.max(this.level, Math.min(this.#maximum, this.level + refilled));
    this.#at += refilled / this.#rate;
  }
}
