import type { DistributedLock, PubSubChannel } from '../../lib/cluster/health-reports/ports';

/** What becomes of one message on its way to one member: the delays of its copies; none where it is lost. */
export type Delivery = () => readonly number[];

const IMMEDIATE: Delivery = () => [1];

/** What a Redis does for news and claims, in memory, on the clock of the test. */
export class SimulatedRedis {
  readonly sent: string[] = [];
  delivery: Delivery = IMMEDIATE;
  isUp = true;
  roundTripMs = 1;
  readonly #listeners: ((text: string) => void)[] = [];
  readonly #claims = new Map<string, { readonly token: object; readonly until: number }>();
  #members = 0;

  /** @param aheadMs By how much this member's reckoning of Redis's clock is off. */
  connect(aheadMs = 0): PubSubChannel & DistributedLock {
    const id = `m${this.#members++}`;
    const held = new Map<string, object>();
    return {
      id,
      now: () => (this.isUp ? performance.now() + 1_000_000 + aheadMs : undefined),
      publish: (text) => {
        if (this.isUp) this.broadcast(text);
      },
      subscribe: (onMessage) => void this.#listeners.push(onMessage),
      acquire: (name, holdMs) => this.#claim(name, holdMs, held),
      release: (name) => {
        const token = held.get(name);
        held.delete(name);
        setTimeout(() => {
          if (this.isUp && this.#claims.get(name)?.token === token) this.#claims.delete(name);
        }, this.roundTripMs / 2);
      },
    };
  }

  /** Brings a text to every member. */
  broadcast(text: string): void {
    this.sent.push(text);
    for (const listener of this.#listeners) {
      for (const ms of this.delivery()) setTimeout(() => this.isUp && listener(text), ms);
    }
  }

  /** Claims as another process that never gives back. */
  claimAsOther(name: string, forMs: number): void {
    this.#claims.set(name, { token: {}, until: performance.now() + forMs });
  }

  isClaimed(name: string): boolean {
    return (this.#claims.get(name)?.until ?? 0) > performance.now();
  }

  async #claim(
    name: string,
    holdMs: number,
    held: Map<string, object>,
  ): ReturnType<DistributedLock['acquire']> {
    await sleep(this.isUp ? this.roundTripMs / 2 : 50);
    if (!this.isUp) return 'unknown';
    const isTaken = this.isClaimed(name);
    const token = {};
    if (!isTaken) {
      this.#claims.set(name, { token, until: performance.now() + holdMs });
      held.set(name, token);
    }
    await sleep(this.roundTripMs / 2);
    return isTaken ? 'taken' : 'granted';
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
