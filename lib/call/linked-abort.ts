/** An abort signal of a call's own that follows those of its callers until it is released. */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #followed: readonly AbortSignal[];
  readonly #onAbort = (): void => this.abort();

  constructor(signals: readonly (AbortSignal | undefined)[]) {
    this.#followed = signals.filter((signal) => signal !== undefined);
    for (const signal of this.#followed) {
      if (signal.aborted) this.abort();
      else signal.addEventListener('abort', this.#onAbort, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** @param reason What a stream that has begun is to end with. */
  abort(reason?: Error): void {
    this.#controller.abort(reason);
  }

  /** Leaves no listener behind on a signal that outlives the call. */
  release(): void {
    for (const signal of this.#followed) signal.removeEventListener('abort', this.#onAbort);
  }
}
