import type { DayCounter, DayReply, DayRequest } from '../../lib/cluster/day-limit/day-counter';

const HOUR_MS = 3_600_000;
/** Redis's clock differs from the process's own. */
export const REDIS_CLOCK_MS = 1_700_000_123_456;

/** The counter that Redis keeps, in memory and on the fake clock. Replies take time and come in the order of requests. */
export class SimulatedDayLimit {
  isDown = false;
  requestCount = 0;
  /** Called when the total crosses another 1/50 of the limit. */
  readonly listeners: ((hour: number, sum: number) => void)[] = [];
  #totals = new Map<number, number>();
  /** The last request of each process, and what it was granted. */
  readonly #last = new Map<number, { number: number; hour: number; granted: number }>();
  #connections = 0;

  /** The counter as one process sees it. */
  connect(latencyMs: () => number): DayCounter {
    const id = this.#connections++;
    return {
      update: (request) => this.#roundTrip(latencyMs(), () => this.#update(id, request)),
      now: () => performance.now() + REDIS_CLOCK_MS,
    };
  }

  /** Redis loses everything. */
  flush(): void {
    this.#totals.clear();
    this.#last.clear();
  }

  get sum(): number {
    return this.#sum(this.#hour);
  }

  at(hour: number): number {
    return this.#totals.get(hour) ?? 0;
  }

  get #hour(): number {
    return Math.floor((performance.now() + REDIS_CLOCK_MS) / HOUR_MS);
  }

  #roundTrip(latencyMs: number, run: () => DayReply): Promise<DayReply> {
    this.requestCount++;
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error('Redis is unreachable'));
      setTimeout(() => {
        if (this.isDown) {
          fail();
          return;
        }
        const reply = run();
        // The reply may be lost too.
        setTimeout(() => (this.isDown ? fail() : resolve(reply)), latencyMs / 2);
      }, latencyMs / 2);
    });
  }

  #update(id: number, { number, limit, least, need, ahead, members, hours }: DayRequest): DayReply {
    const now = this.#hour;
    const sumBefore = this.#sum(now);
    const last = this.#last.get(id);
    if (last?.number === number) return { ...last, totals: [...this.#totals] };
    const isLost = number > 1 && last?.number !== number - 1;
    for (const [hour, change, total] of hours) {
      if (![change, total].every(Number.isInteger)) throw new Error('ERR value is not an integer');
      if (hour < now - 24) continue;
      if (isLost) this.#add(hour, Math.max(0, total - this.at(hour)));
      this.#add(hour, change);
    }
    const left = limit - this.#sum(now);
    let granted = 0;
    if (left >= need)
      granted = need + Math.max(0, Math.min(ahead, Math.floor((left - need) / (2 * members))));
    else if (left >= least) granted = left;
    this.#add(now, granted);
    this.#last.set(id, { number, hour: now, granted });
    const sum = this.#sum(now);
    if (Math.floor((sumBefore * 50) / limit) !== Math.floor((sum * 50) / limit)) {
      setTimeout(() => {
        if (!this.isDown) for (const listener of this.listeners) listener(now, sum);
      }, 1);
    }
    return { hour: now, granted, totals: [...this.#totals] };
  }

  #add(hour: number, units: number): void {
    this.#totals.set(hour, Math.max(0, this.at(hour) + units));
  }

  #sum(now: number): number {
    let sum = 0;
    for (const [hour, units] of this.#totals) {
      if (hour < now - 24) this.#totals.delete(hour);
      else sum += units;
    }
    return sum;
  }
}
