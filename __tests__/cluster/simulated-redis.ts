import type { HealthReportsLink } from '../../lib/cluster/health-reports/health-link';

/** The delays after which copies of one message reach one member; none if the message is lost. */
export type Delivery = () => readonly number[];

const IMMEDIATE: Delivery = () => [1];

/** What Redis does for health reports and locks, in memory, on the fake clock. */
export class SimulatedRedis {
  /** The reports, without the questions of processes that start. */
  readonly published: string[] = [];
  delivery: Delivery = IMMEDIATE;
  isUp = true;
  roundTripMs = 1;
  readonly #listeners: ((text: string) => void)[] = [];
  readonly #locks = new Map<string, { readonly token: object; readonly until: number }>();
  #members = 0;

  /** @param aheadMs The error of this member's estimate of Redis's clock. */
  connect(aheadMs = 0): HealthReportsLink {
    const held = new Map<string, object>();
    return {
      id: `m${this.#members++}`,
      now: () => (this.isUp ? performance.now() + 1_000_000 + aheadMs : undefined),
      publish: (text) => {
        if (this.isUp) this.broadcast(text);
      },
      subscribe: (onMessage, onSubscribed) => {
        this.#listeners.push(onMessage);
        setTimeout(onSubscribed, this.roundTripMs);
      },
      acquire: (name, ttlMs) => this.#acquire(name, ttlMs, held),
      release: (name) => {
        const token = held.get(name);
        held.delete(name);
        setTimeout(() => {
          if (this.isUp && this.#locks.get(name)?.token === token) this.#locks.delete(name);
        }, this.roundTripMs / 2);
      },
    };
  }

  /** Delivers a text to every member. */
  broadcast(text: string): void {
    if (!text.includes('"kind":"asked"')) this.published.push(text);
    for (const listener of this.#listeners) {
      for (const ms of this.delivery()) setTimeout(() => this.isUp && listener(text), ms);
    }
  }

  /** Takes a lock as another process that never releases it. */
  lockAsOther(name: string, forMs: number): void {
    this.#locks.set(name, { token: {}, until: performance.now() + forMs });
  }

  isLocked(name: string): boolean {
    return (this.#locks.get(name)?.until ?? 0) > performance.now();
  }

  async #acquire(
    name: string,
    ttlMs: number,
    held: Map<string, object>,
  ): ReturnType<HealthReportsLink['acquire']> {
    await sleep(this.isUp ? this.roundTripMs / 2 : 50);
    if (!this.isUp) return 'unknown';
    const isTaken = this.isLocked(name);
    const token = {};
    if (!isTaken) {
      this.#locks.set(name, { token, until: performance.now() + ttlMs });
      held.set(name, token);
    }
    await sleep(this.roundTripMs / 2);
    return isTaken ? 'taken' : 'granted';
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
