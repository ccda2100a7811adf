import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { type ActiveCall, type ProviderBehavior, tokensAt } from '../behavior';
import { realTime } from './real-time';

/** One HTTP exchange: its timer, its call, and a client that may disconnect at any time. */
export class Exchange {
  readonly res: ServerResponse;
  readonly #behavior: ProviderBehavior;
  readonly #activeCall: ActiveCall;
  readonly #timeScale: number;
  readonly #arrivedAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(res: ServerResponse, behavior: ProviderBehavior, call: ActiveCall, timeScale: number) {
    this.res = res;
    this.#behavior = behavior;
    this.#activeCall = call;
    this.#timeScale = timeScale;
    this.#arrivedAt = realTime.now();
    res.once('close', () => this.#onClientClose());
    if (res.destroyed) this.#onClientClose();
  }

  /** Runs `step` at `simulatedMs` after the call's arrival, immediately if that time has passed. */
  schedule(simulatedMs: number, step: () => void): void {
    const wait = simulatedMs * this.#timeScale - (realTime.now() - this.#arrivedAt);
    this.#timer = realTime.setTimeout(step, Math.max(0, wait));
  }

  /** Simulated milliseconds since the call's arrival. */
  elapsed(): number {
    return this.#timeScale === 0 ? Infinity : (realTime.now() - this.#arrivedAt) / this.#timeScale;
  }

  recordOutput(tokens: number): void {
    this.#behavior.recordOutput(this.#activeCall, tokens, realTime.now());
  }

  finish(): void {
    this.#behavior.finish(this.#activeCall, realTime.now());
  }

  /** Destroys the socket without an answer, or in the middle of it. */
  destroy(): void {
    this.finish();
    this.res.socket?.destroy();
  }

  #onClientClose(): void {
    realTime.clearTimeout(this.#timer);
    const { plan } = this.#activeCall;
    // A completely written answer is already finished; abandon() does nothing then.
    const tokens = plan.kind === 'answer' ? tokensAt(plan, this.elapsed()) : 0;
    this.#behavior.abandon(this.#activeCall, tokens, realTime.now());
  }
}

export function newId(prefix: string): string {
  return prefix + crypto.randomUUID().replaceAll('-', '');
}

export function bearerToken(headers: IncomingHttpHeaders): string {
  return /^bearer\s+(.+)$/i.exec(headers.authorization ?? '')?.[1]?.trim() ?? '';
}
