interface Followers {
  readonly calls: Set<LinkedAbort>;
  readonly onAbort: () => void;
}

/** One listener for all calls that follow a signal: eleven calls under one are no leak to be warned of. */
const followersOf = new WeakMap<AbortSignal, Followers>();

/** An abort signal of a call's own that follows those of its callers until it is released. */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #followed: readonly AbortSignal[];

  constructor(signals: readonly (AbortSignal | undefined)[]) {
    this.#followed = signals.filter((signal) => signal !== undefined);
    for (const signal of this.#followed) {
      if (signal.aborted) this.abort();
      else follow(signal, this);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** @param reason What a stream that has begun is to end with. */
  abort(reason?: Error): void {
    this.#controller.abort(reason);
  }

  /** Leaves nothing behind at a signal that outlives the call. */
  release(): void {
    for (const signal of this.#followed) unfollow(signal, this);
  }
}

function follow(signal: AbortSignal, call: LinkedAbort): void {
  const known = followersOf.get(signal);
  if (known) {
    known.calls.add(call);
    return;
  }
  const calls = new Set([call]);
  const onAbort = (): void => {
    for (const following of [...calls]) following.abort();
  };
  followersOf.set(signal, { calls, onAbort });
  signal.addEventListener('abort', onAbort, { once: true });
}

function unfollow(signal: AbortSignal, call: LinkedAbort): void {
  const known = followersOf.get(signal);
  if (!known?.calls.delete(call) || known.calls.size > 0) return;
  followersOf.delete(signal);
  signal.removeEventListener('abort', known.onAbort);
}
