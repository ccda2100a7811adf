import type { Usage } from '../call/answer';
import type { Call } from '../call/call';
import { ruleFor } from '../failure/detail';
import type { LimitReading } from '../provider/rate-limit-headers';
import type { BreakerTicket } from './breaker';
import type { Endpoint } from './endpoint';
import type { UpstreamFailure } from './exchange';
import type { Charge } from './quota';
import type { Reservation, Settlement } from './reservation';

/** Failure classes that the upstream told before it had taken anything from the quota. */
const NOT_ADMITTED = new Set([
  'rate_limited',
  'too_large',
  'quota_exhausted',
  'unauthorized',
  'model_missing',
  'bad_request',
  'context_window',
]);

/** One attempt's hold on an endpoint: quota, breaker and a place in flight. Ended exactly once. */
export class Lease {
  readonly startedAt: number;
  #ended = false;

  constructor(
    readonly endpoint: Endpoint,
    readonly reservation: Reservation,
    private readonly ticket: BreakerTicket,
    now: number,
  ) {
    this.startedAt = now;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The answer is whole. Without usage, what was reserved stands. */
  succeeded(usage: Usage | undefined): void {
    const now = performance.now();
    if (!this.#end()) return;
    this.ticket.end('success');
    this.reservation.settle(usage ? { kind: 'used', usage: chargeOf(usage) } : { kind: 'kept' }, now);
    this.endpoint.onSuccess(this, now - this.startedAt);
  }

  /** The attempt failed; `output` tokens had arrived until then. */
  failed(failure: UpstreamFailure, call: Call, output = 0): void {
    const now = performance.now();
    if (!this.#end()) return;
    const { detail } = failure;
    const rule = ruleFor(detail);
    // A deadline of the caller's own that ended it is no fault of the endpoint.
    const callersTime = detail.class === 'timeout' && now >= call.deadlineAt;
    this.ticket.end(rule.countsAgainstEndpoint && !callersTime ? 'failure' : 'neutral');
    this.reservation.settle(settlementOf(failure, call.promptTokens, output), now);
    this.endpoint.onFailure(this, detail, rule, callersTime);
  }

  /** The caller left, or the attempt lost a hedge. */
  aborted(sent: boolean, call: Call, output = 0): void {
    if (!this.#end()) return;
    this.ticket.end('neutral');
    const usage = { input: call.promptTokens, output };
    this.reservation.settle(sent ? { kind: 'used', usage } : { kind: 'returned' }, performance.now());
    this.endpoint.onRelease(this);
  }

  /** Learns from the headers of this attempt's answer. */
  read(reading: LimitReading | undefined): void {
    if (reading === undefined) return;
    const now = performance.now();
    const { quotas, marks } = this.reservation;
    for (const [index, quota] of quotas.entries()) {
      const mark = marks[index];
      if (mark) quota.correct(mark, reading, now);
    }
  }

  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    return true;
  }
}

function chargeOf(usage: Usage): Charge {
  return { input: usage.prompt_tokens, output: usage.completion_tokens };
}

function settlementOf({ detail, answered }: UpstreamFailure, input: number, output: number): Settlement {
  if (NOT_ADMITTED.has(detail.class)) return { kind: 'returned' };
  // A connection that never stood was never charged.
  if (detail.class === 'connection' && !answered && detail.code !== 'ECONNRESET') return { kind: 'returned' };
  return { kind: 'used', usage: { input, output } };
}
