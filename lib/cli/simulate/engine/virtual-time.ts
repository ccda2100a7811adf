import { install } from '@sinonjs/fake-timers';

const START = Date.UTC(2026, 0, 1);

/** Time that passes only when it is told to. */
export interface VirtualTime {
  /** Lets that much time pass, with everything that is due in it. */
  advance(ms: number): Promise<void>;
  /** Milliseconds of the real clock, for measuring what a run costs. */
  realMs(): number;
}

/**
 * Puts the whole process on virtual time. Call it once, before anything that keeps a clock or a timer of its own is
 * loaded: the package, Bottleneck, opossum and axios. Promises, nextTick and setImmediate stay real, so that everything
 * that a timer sets off has happened before the next timer is due.
 */
export function installVirtualTime(): VirtualTime {
  const real = process.hrtime.bigint.bind(process.hrtime);
  const clock = install({
    now: START,
    // The heartbeats of the parts never end; time is bounded by pass().
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
