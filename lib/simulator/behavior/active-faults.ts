import type { Fault } from './fault';
import type { Random } from './random';

/** A fault that is active. */
export interface ActiveFault {
  /** Id of the active fault, unique within the provider, for example `fault-1`. */
  readonly id: string;
  /** The fault as it was given. */
  readonly fault: Fault;
  /** Time at which the fault ends by itself, on the clock of `now`; Infinity if it does not. */
  readonly untilMs: number;
  /** Number of further calls that the fault applies to; Infinity without a limit. */
  callsLeft: number;
}

const STORM_429_SHARE = 0.9;

/** The active faults of a provider. Time is passed in; an expired fault is removed when it is next looked up. */
export class ActiveFaults {
  readonly #active = new Map<string, ActiveFault>();
  #count = 0;

  /** Activates a fault at `now` (milliseconds on a monotonic clock). */
  add(fault: Fault, now: number): ActiveFault {
    this.#count += 1;
    const active: ActiveFault = {
      id: `fault-${this.#count}`,
      fault,
      untilMs: now + (fault.forMs ?? Infinity),
      callsLeft: fault.calls ?? Infinity,
    };
    this.#active.set(active.id, active);
    return active;
  }

  /** Ends a fault. Returns false if no fault with that id is active. */
  remove(id: string): boolean {
    return this.#active.delete(id);
  }

  /** The faults that are active at `now`, oldest first. */
  list(now: number): ActiveFault[] {
    for (const active of this.#active.values()) if (active.untilMs <= now) this.#active.delete(active.id);
    return [...this.#active.values()];
  }

  /**
   * The faults that apply to one call to `model`, oldest first. Each of them then applies to one call less, if its
   * `calls` limits it.
   */
  matching(model: string, now: number, random: Random): readonly Fault[] {
    if (this.#active.size === 0) return NONE;
    const matched: Fault[] = [];
    for (const active of this.#active.values()) {
      const { fault } = active;
      if (active.untilMs <= now) {
        this.#active.delete(active.id);
        continue;
      }
      if (fault.models && !fault.models.includes(model)) continue;
      const share = fault.share ?? (fault.kind === 'storm429' ? STORM_429_SHARE : 1);
      if (share < 1 && random() >= share) continue;
      active.callsLeft -= 1;
      if (active.callsLeft <= 0) this.#active.delete(active.id);
      matched.push(fault);
    }
    return matched;
  }
}

const NONE: readonly Fault[] = Object.freeze([]);
