/** A listener as AbortSignal accepts it: a function, or an object with `handleEvent`. */
export type AbortListener = (() => void) | { handleEvent(): void };

/**
 * The part of AbortSignal that calls need. Every AbortSignal implements it. A call's own signal is not an AbortSignal,
 * which would take more memory than everything else of a waiting call.
 */
export interface CallSignal {
  readonly aborted: boolean;
  /** The reason passed to `abort()`. */
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: AbortListener, options?: { readonly once: true }): void;
  removeEventListener(type: 'abort', listener: AbortListener): void;
}

/** The listeners of an abort. There are usually one or two, which are held without a Set. */
export class AbortListeners {
  #first: AbortListener | undefined;
  #second: AbortListener | undefined;
  #others: Set<AbortListener> | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined && this.#second === undefined && !this.#others?.size;
  }

  add(listener: AbortListener): void {
    if (this.#first === undefined) this.#first = listener;
    else if (this.#second === undefined) this.#second = listener;
    else (this.#others ??= new Set()).add(listener);
  }

  remove(listener: AbortListener): void {
    if (this.#first === listener) this.#first = undefined;
    else if (this.#second === listener) this.#second = undefined;
    else this.#others?.delete(listener);
  }

  /** Calls and removes every listener. One that is removed in the meantime is not called. */
  notify(): void {
    for (;;) {
      const next = this.#first ?? this.#second ?? this.#others?.values().next().value;
      if (next === undefined) return;
      this.remove(next);
      if (typeof next === 'function') next();
      else next.handleEvent();
    }
  }
}
