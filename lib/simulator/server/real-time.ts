/* eslint-disable no-restricted-imports -- these are the clock and timers that must not be faked */
import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';

/**
 * The clock and timers of Node.js as they were when this module was loaded. Sockets run on real time: on the fake timers
 * of a test, an answer would never be sent. Not the globals: jest's option `enableGlobally` replaces them before any
 * module is loaded.
 */
export const realTime = {
  setTimeout: timers.setTimeout,
  clearTimeout: timers.clearTimeout,
  setImmediate: timers.setImmediate,
  now: performance.now.bind(performance),
};
