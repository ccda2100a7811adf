import { getEventListeners } from 'node:events';

type Callback = (...args: unknown[]) => void;
type SetTimer = (act: Callback, ms?: number, ...args: unknown[]) => unknown;
type ClearTimer = (timer: unknown) => void;

/**
 * Counts leaked timers, unhandled rejections and listeners on the callers' signals. Create it after virtual time is
 * installed and before the package is loaded.
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

  /** Call it when a call has ended: no listener may be left on its caller's signal. */
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
