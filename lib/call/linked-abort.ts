import { type AbortListener, AbortListeners, type CallSignal } from './call-signal';

/** An abort signal of a call's own, or of an attempt's, that follows others until it is released. */
export class LinkedAbort extends AbortListeners implements CallSignal {
  readonly #followed: CallSignal | undefined;
  readonly #alsoFollowed: CallSignal | undefined;
  #aborted = false;
  #reason: unknown;

  constructor(followed?: CallSignal, alsoFollowed?: CallSignal) {
    super();
    this.#followed = followed;
    this.#alsoFollowed = alsoFollowed;
    if (followed) follow(followed, this);
    if (alsoFollowed) follow(alsoFollowed, this);
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  addEventListener(_type: 'abort', listener: AbortListener): void {
    this.add(listener);
  }

  removeEventListener(_type: 'abort', listener: AbortListener): void {
    this.remove(listener);
  }

  /** @param reason What a stream that has begun is to end with. */
  abort(reason?: Error): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.tell();
  }

  /** Leaves nothing behind at a signal that outlives the call. */
  release(): void {
    if (this.#followed) unfollow(this.#followed, this);
    if (this.#alsoFollowed) unfollow(this.#alsoFollowed, this);
  }

  handleEvent(): void {
    this.abort();
  }
}

/** All calls that follow a signal of the app's share one listener: eleven under one are no leak to be warned of. */
class Followers extends AbortListeners {
  handleEvent(): void {
    this.tell();
  }
}

const followersOf = new WeakMap<CallSignal, Followers>();

function follow(signal: CallSignal, call: LinkedAbort): void {
  if (signal.aborted) {
    call.abort();
    return;
  }
  if (signal instanceof LinkedAbort) {
    signal.add(call);
    return;
  }
  let followers = followersOf.get(signal);
  if (followers === undefined) {
    followers = new Followers();
    followersOf.set(signal, followers);
    signal.addEventListener('abort', followers, { once: true });
  }
  followers.add(call);
}

function unfollow(signal: CallSignal, call: LinkedAbort): void {
  if (signal instanceof LinkedAbort) {
    signal.remove(call);
    return;
  }
  const followers = followersOf.get(signal);
  followers?.remove(call);
  if (!followers?.isEmpty) return;
  followersOf.delete(signal);
  signal.removeEventListener('abort', followers);
}
