import type { Reservoir } from '../../lib/cluster/quota-lease/ports';

const HOUR_MS = 3_600_000;
/** Redis's clock differs from the process's own. */
export const REDIS_CLOCK_MS = 1_700_000_123_456;

type Hours = readonly (readonly [hour: number, units: number])[];

/** The counter that Redis keeps, in memory and on the fake clock. Replies take time and come in the order of commands. */
export class SimulatedDayLimit {
  isDown = false;
  requestCount = 0;
  #totals = new Map<number, number>();
  /** The last command of each process that was counted. */
  readonly #last = new Map<number, number>();
  #connections = 0;

  /** The counter as one process sees it. */
  connect(limit: number, latencyMs: () => number, onTotals: (totals: Hours) => void): Reservoir {
    const id = this.#connections++;
    let number = 0;
    let acknowledged = 0;
    let known: Hours = [];
    let unanswered: { number: number; undoneBy: number; hour: number; units: number }[] = [];
    return {
      configure: () => Promise.resolve(),
      close: () => undefined,
      take: async (units, hour) => {
        if (!Number.isInteger(units)) throw new Error('ERR value is not an integer');
        const own = ++number;
        const undone = unanswered.map((each) => ({ ...each, undoneBy: Math.min(each.undoneBy, own) }));
        unanswered = [];
        try {
          const totals = await this.#roundTrip(latencyMs(), () => {
            const last = this.#last.get(id) ?? 0;
            const isLost = acknowledged > 0 && (last < acknowledged || this.#totals.size === 0);
            for (const each of undone) {
              if (last >= each.number && last < each.undoneBy) this.#add(each.hour, -each.units);
            }
            if (isLost) for (const [at, total] of known) this.#add(at, Math.max(0, total - this.at(at)));
            this.#add(Math.min(hour, this.#hour), units);
            this.#last.set(id, own);
            return [...this.#totals];
          });
          acknowledged = Math.max(acknowledged, own);
          known = totals;
          onTotals(totals);
          return limit - totals.reduce((sum, [, total]) => sum + total, 0);
        } catch (error) {
          unanswered = [...undone, ...unanswered, { number: own, undoneBy: Infinity, hour, units }];
          throw error;
        }
      },
    };
  }

  /** Redis loses everything. */
  flush(): void {
    this.#totals.clear();
    this.#last.clear();
  }

  get sum(): number {
    let sum = 0;
    for (const units of this.#totals.values()) sum += units;
    return sum;
  }

  at(hour: number): number {
    return this.#totals.get(hour) ?? 0;
  }

  get #hour(): number {
    return Math.floor((performance.now() + REDIS_CLOCK_MS) / HOUR_MS);
  }

  #roundTrip<T>(latencyMs: number, run: () => T): Promise<T> {
    this.requestCount++;
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error('Redis is unreachable'));
      setTimeout(() => {
        if (this.isDown) {
          fail();
          return;
        }
        for (const hour of this.#totals.keys()) if (hour < this.#hour - 24) this.#totals.delete(hour);
        const reply = run();
        // The reply may be lost too.
        setTimeout(() => (this.isDown ? fail() : resolve(reply)), latencyMs / 2);
      }, latencyMs / 2);
    });
  }

  #add(hour: number, units: number): void {
    if (hour >= this.#hour - 24) this.#totals.set(hour, Math.max(0, this.at(hour) + units));
  }
}
