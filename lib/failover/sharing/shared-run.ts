import type { Call } from '../../call/call';
import { LinkedAbort } from '../../call/linked-abort';
import { AiBalancerError } from '../../errors';
import type { RouteReport } from '../../route-report';
import { deadlineError } from '../call-errors';
import type { WholeResult } from '../call-result';
import { RouteRecorder } from '../route-recorder';
import { untilAborted } from '../until-aborted';

/** Sends a call that is not streamed and resolves to its result. Never rejects. */
export type SendWhole = (call: Call) => Promise<WholeResult>;

/**
 * One upstream call that several callers wait for. Each may leave by its own signal or deadline; the upstream call is
 * aborted when all have left. Its cost is charged to one caller, and each caller gets a copy of the answer.
 */
export class SharedRun {
  readonly end: Promise<WholeResult>;
  readonly #leader: Call;
  readonly #abort = new LinkedAbort();
  #callers = 0;
  #isBilled = false;

  /** @param leader The first caller's call. Its deadline is also that of the upstream call. */
  constructor(leader: Call, send: SendWhole) {
    this.#leader = leader;
    this.end = send({ ...leader, signal: this.#abort });
  }

  /** False once all callers have left. */
  get isOpen(): boolean {
    return !this.#abort.aborted;
  }

  /** Whether the first caller's deadline has ended the upstream call, but this caller has time left for another one. */
  hasEndedTooEarly(call: Call, end: WholeResult): boolean {
    if (end.kind === 'answer' || performance.now() >= call.deadlineAt) return false;
    if (call.deadlineAt <= this.#leader.deadlineAt) return false;
    return AiBalancerError.isInstance(end.error) && end.error.code === 'ERR_AI_DEADLINE';
  }

  /** Resolves to the result, or to a failure as soon as this caller leaves. Never rejects. */
  async join(call: Call): Promise<WholeResult> {
    this.#callers++;
    const end = await this.#endOrLeave(call);
    this.#callers--;
    if (!(end instanceof Error)) return this.#resultFor(call, end);
    let route: RouteReport | undefined;
    if (this.#callers === 0) {
      this.#abort.abort();
      // The last caller to leave pays for what was used until then.
      const used = await this.end;
      if (!this.#isBilled) route = used.route;
    }
    return { kind: 'failed', error: end, route };
  }

  /** Resolves to the result, or to the error of this caller's own deadline or abort if that comes first. */
  async #endOrLeave(call: Call): Promise<WholeResult | Error> {
    // The upstream call itself ends at the leader's deadline.
    const isShorter = call.deadlineAt < this.#leader.deadlineAt;
    const ms = isShorter ? call.deadlineAt - performance.now() : Infinity;
    try {
      return (await untilAborted(this.end, ms, call.signal)) ?? deadlineError(new RouteRecorder(call));
    } catch (error) {
      return error as Error;
    }
  }

  #resultFor(call: Call, end: WholeResult): WholeResult {
    const isFirst = !this.#isBilled;
    this.#isBilled = true;
    if (end.kind === 'failed') return isFirst ? end : { ...end, route: undefined };
    const data = copyOf(end.data);
    return { kind: 'answer', data, route: isFirst ? end.route : sharedReport(call, end.route, 'joined') };
  }
}

/** A copy of an answer. An answer of a custom dialect that can't be cloned is returned itself. */
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
