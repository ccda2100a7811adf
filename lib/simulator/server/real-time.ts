/* eslint-disable no-restricted-imports -- these are the clock and timers that must not be faked */
import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';

/**
 * The clock and timers of Node.js as they were when this module was loaded. Sockets run on real time: with a test's
 * fake timers, an answer would never be sent. They are imported instead of taken from the globals, because jest's
 * option `enableGlobally` replaces the globals before any module is loaded.
 */
export const realTime = {
  setTimeout: timers.setTimeout,
  clearTimeout: timers.clearTimeout,
  setImmediate: timers.setImmediate,
  now: performance.now.bind(performance),
  /** Milliseconds since the epoch. */
  date: () => performance.timeOrigin + performance.now(),
};
