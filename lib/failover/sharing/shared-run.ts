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
 * One upstream call that several callers wait for. Each may leave by its own signal or deadline; the upstream call is
 * aborted when all have left. One caller gets its cost, and each gets a copy of the answer.
 */
export class SharedRun {
  readonly end: Promise<WholeResult>;
  readonly #leader: Call;
  readonly #abort = new LinkedAbort();
  #callers = 0;
  #isBilled = false;

  /** @param leader The first caller; the upstream call has its deadline. */
  constructor(leader: Call, send: SendWhole) {
    this.#leader = leader;
    this.end = sendAndWait(send, { ...leader, signal: this.#abort });
  }

  /** False once all callers have left. */
  get isOpen(): boolean {
    return !this.#abort.aborted;
  }

  isLedBy(call: Call): boolean {
    return call === this.#leader;
  }

  /** Resolves with the result, or when this caller leaves. Never rejects. */
  async join(call: Call): Promise<WholeResult> {
    this.#callers++;
    const leaveError = await this.#waitForEnd(call);
    this.#callers--;
    if (leaveError === undefined) return this.#resultFor(call, await this.end);
    if (this.#callers > 0) return { ok: false, error: leaveError, route: undefined };
    this.#abort.abort();
    // The last caller to leave pays for what was used until then.
    const { route } = await this.end;
    return { ok: false, error: leaveError, route: this.#isBilled ? undefined : route };
  }

  /** Why the caller left; undefined when the run has ended. */
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

/** An answer of a custom dialect that can't be cloned is shared. */
function copyOf<T>(data: T): T {
  try {
    return structuredClone(data);
  } catch {
    return data;
  }
}

/** The report of a call that was served by another call's answer: no attempts, no cost. */
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
