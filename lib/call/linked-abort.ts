import { type AbortListener, AbortListeners, type CallSignal } from './call-signal';

/** The abort signal of one call or attempt. It follows up to two other signals until it is released. */
export class LinkedAbort extends AbortListeners implements CallSignal {
  #followed: CallSignal | undefined;
  #alsoFollowed: CallSignal | undefined;
  #aborted = false;
  #reason: unknown;

  constructor(followed?: CallSignal, alsoFollowed?: CallSignal) {
    super();
    this.follow(followed, alsoFollowed);
  }

  /**
   * Starts to follow the signals: aborts when one of them does. Call it only on an abort that was constructed without
   * signals.
   */
  follow(followed: CallSignal | undefined, alsoFollowed?: CallSignal): void {
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

  /** @param reason The error that the call or stream ends with. */
  abort(reason?: Error): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.notify();
  }

  /** Removes the listeners from the followed signals, which may outlive the call. */
  release(): void {
    if (this.#followed) unfollow(this.#followed, this);
    if (this.#alsoFollowed) unfollow(this.#alsoFollowed, this);
  }

  handleEvent(): void {
    this.abort();
  }
}

/** All calls that follow one signal of the app share one listener: Node warns of a leak from the eleventh on. */
class Followers extends AbortListeners {
  handleEvent(): void {
    this.notify();
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
