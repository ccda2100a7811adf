const CLOCKS = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

/** Fakes one clock only, until `jest.useRealTimers()`: sockets need the others. */
export function fakeOnly(clock: (typeof CLOCKS)[number], now?: number): void {
  jest.useFakeTimers({
    ...(now === undefined ? {} : { now }),
    doNotFake: CLOCKS.filter((each) => each !== clock),
  });
}

/** Fakes only the date, until `jest.useRealTimers()`. */
export function fakeDate(now: number): void {
  fakeOnly('Date', now);
}
