export type AbortListener = (() => void) | { handleEvent(): void };

/**
 * What this package needs of an AbortSignal; every AbortSignal is one. A call's own is none: that would weigh more
 * than the rest of a call that waits.
 */
export interface CallSignal {
  readonly aborted: boolean;
  /** What it was aborted with. */
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: AbortListener, options?: { readonly once: true }): void;
  removeEventListener(type: 'abort', listener: AbortListener): void;
}

/** Those who listen for an abort: mostly one, who costs nothing but his place. */
export class AbortListeners {
  #first: AbortListener | undefined;
  #others: Set<AbortListener> | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined && !this.#others?.size;
  }

  add(listener: AbortListener): void {
    if (this.#first === undefined) this.#first = listener;
    else (this.#others ??= new Set()).add(listener);
  }

  remove(listener: AbortListener): void {
    if (this.#first === listener) this.#first = undefined;
    else this.#others?.delete(listener);
  }

  /** Tells all, once; one that leaves meanwhile is not told. */
  notify(): void {
    for (;;) {
      const next = this.#first ?? this.#others?.values().next().value;
      if (next === undefined) return;
      this.remove(next);
      if (typeof next === 'function') next();
      else next.handleEvent();
    }
  }
}
