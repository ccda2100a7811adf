import { getEventListeners } from 'node:events';

type Callback = (...args: unknown[]) => void;
type SetTimer = (act: Callback, ms?: number, ...args: unknown[]) => unknown;
type ClearTimer = (timer: unknown) => void;

/**
 * Counts what is left behind, from outside: timers, rejections that nobody handles, and listeners to the callers'
 * signals. Make it before the package is loaded and after the clock has been replaced.
 */
export class LeakDetector {
  readonly unhandled: unknown[] = [];
  readonly #timers = new Set<unknown>();
  listeners = 0;

  constructor() {
    process.on('unhandledRejection', (reason) => this.unhandled.push(reason));
    this.#watch('setTimeout', 'clearTimeout', true);
    this.#watch('setInterval', 'clearInterval', false);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** A call has ended: nothing of it may listen to its caller's signal any more. */
  callFinished(signal: AbortSignal): void {
    this.listeners += getEventListeners(signal, 'abort').length;
  }

  #watch(
    setName: 'setTimeout' | 'setInterval',
    clearName: 'clearTimeout' | 'clearInterval',
    once: boolean,
  ): void {
    const timers = this.#timers;
    const set = globalThis[setName] as unknown as SetTimer;
    const clear = globalThis[clearName] as ClearTimer;
    const watchedSet: SetTimer = (act, ms, ...args) => {
      const timer = set(() => {
        if (once) timers.delete(timer);
        act(...args);
      }, ms);
      timers.add(timer);
      return timer;
    };
    const watchedClear: ClearTimer = (timer) => {
      timers.delete(timer);
      clear(timer);
    };
    Object.assign(globalThis, { [setName]: watchedSet, [clearName]: watchedClear });
  }
}
