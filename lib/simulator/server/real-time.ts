/**
 * The clock and timers as they were when this module was loaded. Sockets run on real time: on the fake timers of a test
 * that installs them later, an answer would never be sent.
 */
export const realTime = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setImmediate: globalThis.setImmediate,
  now: performance.now.bind(performance),
};
