import { install } from '@sinonjs/fake-timers';

const START = Date.UTC(2026, 0, 1);

/** A clock that only moves when `advance` is called. */
export interface VirtualTime {
  /** Advances the clock and runs every timer that becomes due. */
  advance(ms: number): Promise<void>;
  /** The real clock in milliseconds, to measure how long a run takes. */
  realMs(): number;
}

/**
 * Replaces the clock and the timers of the whole process. Call it once, before loading any module that captures a clock
 * or a timer: this package, Bottleneck, opossum and axios. Promises, nextTick and setImmediate stay real, so that
 * everything that one timer triggers has happened before the next timer fires.
 *
 * @param startAtMs The date at the start, in Unix milliseconds.
 */
export function installVirtualTime(startAtMs = START): VirtualTime {
  const real = process.hrtime.bigint.bind(process.hrtime);
  const clock = install({
    now: startAtMs,
    // Intervals never end, so the number of timers can't bound a run; it is bounded by advance().
    loopLimit: Infinity,
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance', 'hrtime'],
  });
  return {
    advance: async (ms) => {
      await clock.tickAsync(ms);
    },
    realMs: () => Number(real() / 1000n) / 1000,
  };
}
