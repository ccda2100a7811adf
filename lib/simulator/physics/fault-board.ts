import type { Fault } from './fault';
import type { Random } from './random';

/** A fault that is switched on. */
export interface ActiveFault {
  readonly id: string;
  readonly fault: Fault;
  readonly untilMs: number;
  callsLeft: number;
}

const SHARE_OF_STORM = 0.9;

/** The faults that are switched on now. Time is handed in; an expired fault is dropped when it is next met. */
export class FaultBoard {
  readonly #active = new Map<string, ActiveFault>();
  #count = 0;

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

  /** False when there was none of that id. */
  remove(id: string): boolean {
    return this.#active.delete(id);
  }

  list(now: number): ActiveFault[] {
    for (const active of this.#active.values()) if (active.untilMs <= now) this.#active.delete(active.id);
    return [...this.#active.values()];
  }

  /** The faults that a call to this model meets, in the order they were switched on. */
  meet(model: string, now: number, random: Random): readonly Fault[] {
    if (this.#active.size === 0) return NONE;
    const met: Fault[] = [];
    for (const active of this.#active.values()) {
      const { fault } = active;
      if (active.untilMs <= now) {
        this.#active.delete(active.id);
        continue;
      }
      if (fault.models && !fault.models.includes(model)) continue;
      const share = fault.share ?? (fault.kind === 'storm429' ? SHARE_OF_STORM : 1);
      if (share < 1 && random() >= share) continue;
      active.callsLeft -= 1;
      if (active.callsLeft <= 0) this.#active.delete(active.id);
      met.push(fault);
    }
    return met;
  }
}

const NONE: readonly Fault[] = Object.freeze([]);
