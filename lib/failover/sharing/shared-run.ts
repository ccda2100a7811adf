import { createHash } from 'node:crypto';
import type { Call } from '../../call/call';
import { LinkedAbort } from '../../call/linked-abort';
import type { RouteReport } from '../../route-report';
import { startTimer, type Timer } from '../../util/timers';
import { abortedError } from '../backoff';
import { deadlineError } from '../call-errors';
import type { WholeCaller, WholeResult } from '../executor';
import { RouteRecorder } from '../route-recorder';

/** Sends a whole call. */
export type SendWhole = (caller: WholeCaller) => void;

/** Sends a whole call and waits for its end. Never rejects. */
export function sendAndWait(send: SendWhole, call: Call): Promise<WholeResult> {
  return new Promise((resolve) => send({ call, onEnd: resolve }));
}

/**
 * One upstream call that several callers wait for. Each may leave by its own signal or deadline; the upstream call ends
 * when all have left. What it cost is told to one of them, and what it answered to each as a copy of its own.
 */
export class SharedRun {
  readonly end: Promise<WholeResult>;
  readonly #leader: Call;
  readonly #abort = new LinkedAbort();
  #callers = 0;
  #isBilled = false;

  /** @param leader The caller whose need began it; its deadline holds for the upstream call. */
  constructor(leader: Call, send: SendWhole) {
    this.#leader = leader;
    this.end = sendAndWait(send, { ...leader, signal: this.#abort });
  }

  /** Whether it goes on: one that all have left does not. */
  get isOpen(): boolean {
    return !this.#abort.aborted;
  }

  isLedBy(call: Call): boolean {
    return call === this.#leader;
  }

  /** Waits for the end, or until this caller leaves. Never rejects. */
  async join(call: Call): Promise<WholeResult> {
    this.#callers++;
    const leaveError = await this.#waitForEnd(call);
    this.#callers--;
    if (leaveError === undefined) return this.#resultFor(call, await this.end);
    if (this.#callers > 0) return { ok: false, error: leaveError, route: undefined };
    this.#abort.abort();
    // Cancelled at once: what it had used until then is the last one's to pay.
    const { route } = await this.end;
    return { ok: false, error: leaveError, route: this.#isBilled ? undefined : route };
  }

  /** The reason why the caller left; undefined when the run has ended. */
  #waitForEnd(call: Call): Promise<Error | undefined> {
    const { signal } = call;
    if (signal.aborted) return Promise.resolve(abortedError(signal));
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const settle = (leaveError: Error | undefined): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        resolve(leaveError);
      };
      const onAbort = (): void => settle(abortedError(signal));
      signal.addEventListener('abort', onAbort, { once: true });
      if (call.deadlineAt < this.#leader.deadlineAt) {
        const ms = Math.max(0, call.deadlineAt - performance.now());
        timer = startTimer(() => settle(deadlineError(new RouteRecorder(call))), ms);
      }
      void this.end.then(() => settle(undefined));
    });
  }

  #resultFor(call: Call, end: WholeResult): WholeResult {
    const isFirst = !this.#isBilled;
    this.#isBilled = true;
    if (!end.ok) return isFirst ? end : { ...end, route: undefined };
    const data = copyOf(end.data);
    return { ok: true, data, route: isFirst ? end.route : sharedReport(call, end.route, 'joined') };
  }
}

/** An app's own dialect may answer with what can't be copied: then all share it. */
function copyOf<T>(data: T): T {
  try {
    return structuredClone(data);
  } catch {
    return data;
  }
}

/** The report of a call that was served by another one's answer: it made no attempt and cost nothing. */
export function sharedReport(
  { context, startedAt }: Call,
  { endpoint, provider, model }: Pick<RouteReport, 'endpoint' | 'provider' | 'model'>,
  shared: NonNullable<RouteReport['shared']>,
): RouteReport {
  return {
    requestId: context.requestId,
    endpoint,
    provider,
    model,
    shared,
    attempts: [],
    waitMs: 0,
    totalMs: Math.round(performance.now() - startedAt),
    costUsd: 0,
    wastedTokens: 0,
    why: [],
  };
}

/** A digest of what a call asks for; undefined for a body that no JSON can say. No prompt is kept. */
export function fingerprint({ operation, body }: Call, more: readonly unknown[] = []): string | undefined {
  try {
    const text = JSON.stringify([operation, body, ...more]);
    return createHash('sha256').update(text).digest('base64');
  } catch {
    return undefined;
  }
}
