import type { Usage } from '../call/answer';
import type { Call } from '../call/call';
import type { FailureRule } from '../failure/classes';
import { ruleFor } from '../failure/detail';
import type { BreakerTicket } from '../health/breaker';
import type { LatencyModel } from '../health/latency-model';
import { CONNECT_TIMEOUT } from '../http/agents';
import type { UpstreamFailure } from '../http/exchange';
import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import type { Cost } from '../quota/quota';
import type { Reservation, Settlement } from '../quota/reservation';
import type { TokensCharged, TokensSentSnapshot } from '../quota/tokens-charged';
import { afterPendingIO, startTimer, type Timer } from '../util/timers';
import type { EndpointSettings } from './endpoint-settings';

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

/** An endpoint that says nothing for so long has failed, whatever comes later. */
const MIN_SILENCE_MS = 3_000;
const SILENCE_FACTOR = 8;

/** Ledgers answer within milliseconds or are known to be away; this is for an answer that is lost in another way. */
const MAX_CONFIRM_MS = 2_000;
const ONCE = { once: true } as const;

/** How an attempt failed, and whether that speaks against the endpoint. */
export interface AttemptFailure {
  readonly failure: UpstreamFailure;
  readonly rule: FailureRule;
  readonly counts: boolean;
}

/** The endpoint, as its leases see it: they tell it how their attempts end. */
export interface SlotOwner {
  readonly settings: EndpointSettings;
  readonly latency: LatencyModel;
  readonly tokensCharged: TokensCharged;
  onSuccess(ms: number): void;
  onFailure(reservation: Reservation, ended: AttemptFailure): void;
  /** The attempt has said nothing for too long. */
  onSilence(): void;
  onRelease(): void;
}

/** What an endpoint gives out for one attempt. */
export interface AttemptSlotParts<Host extends SlotOwner> {
  readonly endpoint: Host;
  readonly call: Call;
  readonly reservation: Reservation;
  readonly ticket: BreakerTicket;
  /** What had been asked of the provider when this was sent. */
  readonly tokensSent: TokensSentSnapshot;
  /** Other calls in flight when this one was sent. */
  readonly inFlight: number;
  /** Expected milliseconds to the first sign of life. */
  readonly expectedMs: number;
}

/** One attempt's hold on an endpoint: quota, breaker and a place in flight. Ended exactly once. */
export class AttemptSlot<Host extends SlotOwner> {
  readonly endpoint: Host;
  readonly startedAt: number;
  readonly #parts: AttemptSlotParts<Host>;
  readonly #silenceTimer: Timer;
  #firstTokenAt: number | undefined;
  #isSilenceCounted = false;
  #isEnded = false;

  constructor(parts: AttemptSlotParts<Host>, now: number) {
    this.#parts = parts;
    this.endpoint = parts.endpoint;
    this.startedAt = now;
    const silenceMs = Math.max(MIN_SILENCE_MS, SILENCE_FACTOR * parts.expectedMs);
    this.#silenceTimer = startTimer(() => this.#checkSilence(), silenceMs).unref();
    parts.endpoint.latency.recordSent(this, parts.call, parts.call.stream, now);
  }

  get reservation(): Reservation {
    return this.#parts.reservation;
  }

  /** Whether what it took from the quotas stands. */
  get isConfirmed(): boolean {
    return this.reservation.isConfirmed;
  }

  /**
   * Waits until the quotas' ledgers have said, but not longer than the call does. False where they refuse: then it has
   * ended, and nothing was taken.
   */
  async confirm(): Promise<boolean> {
    const { signal, deadlineAt } = this.#parts.call;
    const cancel = (): void => this.abort(false);
    const timeoutMs = Math.max(0, Math.min(MAX_CONFIRM_MS, deadlineAt - performance.now()));
    const timer = startTimer(cancel, timeoutMs).unref();
    signal.addEventListener('abort', cancel, ONCE);
    const isConfirmed = await this.reservation.confirm();
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
    if (!isConfirmed) cancel();
    return isConfirmed;
  }

  /** A stream has shown its first content. */
  recordFirstToken(): void {
    if (this.#isEnded || this.#firstTokenAt !== undefined) return;
    const now = performance.now();
    const { endpoint, call, inFlight: beside } = this.#parts;
    clearTimeout(this.#silenceTimer);
    this.#parts.ticket.started();
    this.#firstTokenAt = now;
    endpoint.latency.recordFirstToken(this, call.promptTokens, now - this.startedAt, beside, now);
  }

  /** The answer is whole. Without usage, what was reserved stands. */
  succeed(usage: Usage | undefined): void {
    const now = performance.now();
    if (!this.#end()) return;
    this.#parts.ticket.end('success');
    this.reservation.settle(usage ? { kind: 'used', usage: costOf(usage) } : { kind: 'kept' }, now);
    this.endpoint.tokensCharged.recordOutput(usage?.completion_tokens ?? this.reservation.cost.output);
    this.#learnLatency(usage, now);
    this.endpoint.onSuccess(now - this.startedAt);
  }

  /** The attempt failed; `output` tokens had arrived until then. */
  fail(failure: UpstreamFailure, output = 0): void {
    const now = performance.now();
    if (!this.#end()) return;
    const { detail } = failure;
    const { call, ticket } = this.#parts;
    const rule = ruleFor(detail);
    const isCallersDeadline =
      detail.class === 'timeout' && now >= call.deadlineAt && !this.#hasUsedHalfTimeout(now);
    const counts = rule.countsAgainstEndpoint && !isCallersDeadline && !this.#isSilenceCounted;
    ticket.end(counts ? 'failure' : 'neutral');
    this.reservation.settle(settlementOf(failure, call.promptTokens, output), now);
    this.endpoint.tokensCharged.recordOutput(output);
    this.endpoint.onFailure(this.reservation, { failure, rule, counts });
  }

  /** The caller left, or the attempt lost a hedge. */
  abort(isSent: boolean, output = 0): void {
    if (!this.#end()) return;
    const { call, ticket } = this.#parts;
    ticket.end('neutral');
    const usage = { input: call.promptTokens, output };
    this.reservation.settle(isSent ? { kind: 'used', usage } : { kind: 'returned' }, performance.now());
    this.endpoint.tokensCharged.recordOutput(output);
    this.endpoint.onRelease();
  }

  /** Learns from the headers of this attempt's answer. */
  learnLimits(reading: LimitReading | undefined): void {
    if (reading === undefined) return;
    const now = performance.now();
    const { quotas, snapshots: marks } = this.reservation;
    const { endpoint } = this.#parts;
    const { tokens } = reading;
    if (tokens?.remaining !== undefined) {
      this.reservation.markPromptCorrected();
      endpoint.tokensCharged.observeRemaining(this.#parts.tokensSent, tokens.remaining, tokens.limit);
    }
    for (const [index, quota] of quotas.entries()) {
      const mark = marks[index];
      if (mark) quota.correct(mark, reading, now);
    }
  }

  /**
   * A deadline of the caller's own that ended an attempt is no fault of the endpoint. The configured time for a whole
   * answer is not the caller's own: an attempt that had at least half of it has failed.
   */
  #hasUsedHalfTimeout(now: number): boolean {
    const { call, endpoint } = this.#parts;
    const { embeddingsMs, totalMs } = endpoint.settings.timeouts;
    const total = call.operation === 'embeddings' ? embeddingsMs : totalMs;
    return !call.stream && call.deadlineAt - call.startedAt >= total && now - this.startedAt >= total / 2;
  }

  #learnLatency(usage: Usage | undefined, now: number): void {
    const { call, inFlight: beside } = this.#parts;
    const { latency } = this.endpoint;
    const output = usage?.completion_tokens ?? call.expectedOutputTokens;
    if (this.#firstTokenAt !== undefined) latency.recordOutput(output, now - this.#firstTokenAt);
    else latency.recordAnswer(this, call.promptTokens, output, now - this.startedAt, beside, now);
  }

  #checkSilence(): void {
    // A timer that fires late has not seen yet what the sockets have to say: poll I/O once before judging.
    afterPendingIO(() => {
      if (this.#isEnded || this.#firstTokenAt !== undefined || this.#isSilenceCounted) return;
      this.#isSilenceCounted = true;
      this.#parts.ticket.end('failure');
      this.endpoint.onSilence();
    });
  }

  #end(): boolean {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    clearTimeout(this.#silenceTimer);
    this.endpoint.latency.finish(this);
    return true;
  }
}

function costOf(usage: Usage): Cost {
  return { input: usage.prompt_tokens, output: usage.completion_tokens };
}

function settlementOf(
  { detail, isAnswered: answered }: UpstreamFailure,
  input: number,
  output: number,
): Settlement {
  if (NOT_ADMITTED.has(detail.class)) return { kind: 'returned' };
  // A connection that never stood was never charged.
  if (detail.code === CONNECT_TIMEOUT) return { kind: 'returned' };
  if (detail.class === 'connection' && !answered && detail.code !== 'ECONNRESET') return { kind: 'returned' };
  return { kind: 'used', usage: { input, output } };
}
