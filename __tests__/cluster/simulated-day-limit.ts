import type { DayAnswer, DayLedger, DayQuestion, DayVersion } from '../../lib/cluster/day-limit/day-script';

const HOUR_MS = 3_600_000;
/** Redis's clock is not the process's own. */
export const REDIS_CLOCK_MS = 1_700_000_123_456;

interface Operation {
  readonly known: DayVersion | undefined;
  readonly run: () => DayAnswer;
}

/** The count of a day as Redis keeps it, on the fake clock: answers take time, and come in the order of the questions. */
export class SimulatedDayLimit {
  isDown = false;
  requestCount = 0;
  /** Told when another fiftieth of the limit is gone. */
  readonly listeners: ((hour: number, sum: number) => void)[] = [];
  #counts = new Map<number, number>();
  #answers = new Map<number, { nth: number; answer: DayAnswer }>();
  #version: DayVersion = { born: 'first', changes: 0 };
  #flushes = 0;
  #connections = 0;

  /** What one process has of it. */
  connect(latencyMs: () => number): DayLedger {
    const id = this.#connections++;
    return {
      ask: (question) =>
        this.#roundTrip(latencyMs(), { known: question.known, run: () => this.#ask(id, question) }),
      restore: (known, counts) =>
        this.#roundTrip(latencyMs(), { known: undefined, run: () => this.#restore(known, counts) }),
      now: () => performance.now() + REDIS_CLOCK_MS,
    };
  }

  /** Everything in it is lost. */
  flush(): void {
    this.#counts.clear();
    this.#answers.clear();
    this.#version = { born: `again ${++this.#flushes}`, changes: 0 };
  }

  get sum(): number {
    return this.#sum(this.#hour);
  }

  at(hour: number): number {
    return this.#counts.get(hour) ?? 0;
  }

  get #hour(): number {
    return Math.floor((performance.now() + REDIS_CLOCK_MS) / HOUR_MS);
  }

  #roundTrip(latencyMs: number, { known, run: done }: Operation): Promise<DayAnswer> {
    this.requestCount++;
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error('Redis is away'));
      setTimeout(() => {
        if (this.isDown) {
          fail();
          return;
        }
        const { born, changes } = this.#version;
        const isLost = known !== undefined && (known.born !== born || known.changes > changes);
        const answer = isLost ? this.#answer({ isLost }) : done();
        // The answer may be lost on its way too.
        setTimeout(() => (this.isDown ? fail() : resolve(answer)), latencyMs / 2);
      }, latencyMs / 2);
    });
  }

  #answer(more: Partial<DayAnswer> = {}): DayAnswer {
    const hour = this.#hour;
    this.#sum(hour);
    const counts = [...this.#counts];
    return { version: this.#version, hour, granted: 0, grantedIn: hour, counts, isLost: false, ...more };
  }

  #ask(id: number, { nth, limit, least, need, extra, members, changes }: DayQuestion): DayAnswer {
    const before = this.#answers.get(id);
    if (before?.nth === nth) {
      const { granted, grantedIn } = before.answer;
      return this.#answer({ granted, grantedIn });
    }
    const now = this.#hour;
    const sumBefore = this.#sum(now);
    for (const [hour, units] of changes) this.#add(hour === 0 ? now : hour, units);
    const left = limit - this.#sum(now);
    let granted = 0;
    if (left >= need) {
      granted = need + Math.max(0, Math.min(extra, Math.floor((left - need) / (2 * members))));
    } else if (left >= least) {
      granted = left;
    }
    if (need + extra === 0) granted = 0;
    this.#add(now, granted);
    const sum = this.#sum(now);
    if (Math.floor((sumBefore * 50) / limit) !== Math.floor((sum * 50) / limit)) {
      setTimeout(() => {
        if (!this.isDown) for (const told of this.listeners) told(now, sum);
      }, 1);
    }
    const { born } = this.#version;
    this.#version = { born, changes: this.#version.changes + 1 };
    const answer = this.#answer({ granted });
    this.#answers.set(id, { nth, answer });
    return answer;
  }

  #restore(known: DayVersion | undefined, counts: DayAnswer['counts']): DayAnswer {
    for (const [hour, units] of counts) {
      this.#add(hour, Math.max(0, units - (this.#counts.get(hour) ?? 0)));
    }
    const { born, changes } = this.#version;
    const least = known?.born === born ? known.changes : 0;
    this.#version = { born, changes: Math.max(changes, least) + 1 };
    return this.#answer();
  }

  #add(hour: number, units: number): void {
    if (!Number.isInteger(units)) throw new Error('ERR value is not an integer or out of range');
    if (hour < this.#hour - 24) return;
    const count = this.#counts.get(hour) ?? 0;
    this.#counts.set(hour, Math.max(0, count + units));
  }

  #sum(now: number): number {
    let sum = 0;
    for (const [hour, units] of this.#counts) {
      if (hour < now - 24) this.#counts.delete(hour);
      else sum += units;
    }
    return sum;
  }
}
