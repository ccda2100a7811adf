import type { Usage } from '../call/answer';
import { type Call, maxOutputOf } from '../call/call';
import { ruleFor } from '../failure/detail';
import type { Outcome } from '../health/breaker-types';
import { CONNECT_TIMEOUT } from '../http/connection/wire-errors';
import {
  type ExchangeOptions,
  exchangeStream,
  exchangeWhole,
  type StreamedAnswer,
  type WholeAnswer,
} from '../http/exchange';
import type { ClippedExchangeOptions } from '../http/exchange-options';
import { UpstreamFailure } from '../http/upstream-failure';
import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import { leastLeft } from '../quota/quotas';
import type { Settlement } from '../quota/reservation';
import { clipUsage } from '../quota/usage-bound';
import { afterPendingIO, startTimer, type Timer } from '../util/timers';
import { settlementOf, settlementOfUsage } from './attempt-outcome';
import type { AttemptSlotParts, SlotEndpoint, TimeLimit } from './attempt-slot-parts';
import { isEndedByDeadline } from './deadline-timeout';

/**
 * An attempt counts as failed if the endpoint has answered neither it nor any other attempt for MIN_SILENCE_MS
 * milliseconds and for SILENCE_FACTOR times the attempt's expected time.
 */
const MIN_SILENCE_MS = 3_000;
const SILENCE_FACTOR = 8;

/**
 * How long a slot waits for Redis to grant its reservation, in milliseconds. Redis answers within milliseconds or is
 * known to be unreachable.
 */
const MAX_CONFIRM_MS = 2_000;
/** `code` of an attempt that was not sent because another process is probing the endpoint. */
const PROBED_ELSEWHERE = 'probed_elsewhere';
const ONCE = { once: true } as const;

type State =
  | { readonly kind: 'waiting' }
  /** No response has arrived for too long, which has already been reported as a failure. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'streaming'; readonly firstTokenAt: number; readonly wasSilent: boolean }
  | { readonly kind: 'ended' };

/**
 * What one attempt holds at an endpoint: its quota reservation, its breaker ticket and its place among the concurrent
 * calls. Its owner must end it exactly once with succeed(), fail() or abort(); later calls have no effect.
 */
export class AttemptSlot<E extends SlotEndpoint> {
  readonly endpoint: E;
  readonly startedAt: number;
  readonly #parts: AttemptSlotParts<E>;
  readonly #silenceMs: number;
  #silenceTimer: Timer | undefined;
  #state: State = { kind: 'waiting' };
  #timeLimit: TimeLimit | undefined;

  constructor(parts: AttemptSlotParts<E>, now: number) {
    this.#parts = parts;
    this.endpoint = parts.endpoint;
    this.startedAt = now;
    const { call, inFlight } = parts;
    const { latency } = parts.endpoint.health;
    // Assumes the longest answer, max_tokens if the caller sets it, so that a long answer is not taken for silence.
    const size = { promptTokens: call.promptTokens, expectedOutputTokens: maxOutputOf(call) };
    const expectedMs = call.stream
      ? latency.firstTokenMs(size, inFlight, now)
      : latency.totalMs(size, inFlight, now);
    this.#silenceMs = Math.max(MIN_SILENCE_MS, SILENCE_FACTOR * expectedMs);
    this.#silenceTimer = this.#startSilenceTimer(this.#silenceMs);
    latency.recordSent(this, call, call.stream, now);
  }

  /** False while a reservation still has to be granted by Redis. */
  get isConfirmed(): boolean {
    return this.#parts.reservation.isConfirmed && this.#parts.spending?.isConfirmed !== false;
  }

  /**
   * Waits for Redis to grant the reservations, but no longer than the call itself may wait. Resolves to false if they
   * are refused: then the slot has ended and holds nothing.
   */
  async confirm(): Promise<boolean> {
    const { reservation, spending, call } = this.#parts;
    const cancel = (): void => this.abort(false);
    const timeoutMs = Math.max(0, Math.min(MAX_CONFIRM_MS, call.deadlineAt - performance.now()));
    const timer = startTimer(cancel, timeoutMs).unref();
    call.signal.addEventListener('abort', cancel, ONCE);
    const [isConfirmed, isPaid = true] = await Promise.all([reservation.confirm(), spending?.confirm()]);
    clearTimeout(timer);
    call.signal.removeEventListener('abort', cancel);
    if (!isConfirmed || !isPaid) cancel();
    return isConfirmed && isPaid;
  }

  /** Sets the limit that decides whose fault a timeout is: the endpoint's or that of the caller's deadline. */
  setTimeLimit(limit: TimeLimit): void {
    this.#timeLimit = limit;
  }

  /** Sends the attempt and reads the whole answer. Rejects with UpstreamFailure. */
  sendWhole(call: Call, options: ExchangeOptions): Promise<WholeAnswer> {
    return this.#sendWhenAllowed(options, (clipped) => exchangeWhole(this.endpoint.exchange, call, clipped));
  }

  /** Sends the attempt and reads its stream up to the first content. Rejects with UpstreamFailure. */
  sendStream(call: Call, options: ExchangeOptions): Promise<StreamedAnswer> {
    return this.#sendWhenAllowed(options, (clipped) => exchangeStream(this.endpoint.exchange, call, clipped));
  }

  /** Records that the first content of a stream has arrived. */
  recordFirstToken(): void {
    if (this.#state.kind === 'ended' || this.#state.kind === 'streaming') return;
    const now = performance.now();
    const { endpoint, call, ticket, inFlight } = this.#parts;
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = undefined;
    ticket.started();
    endpoint.health.activity.recordStreamStart();
    this.#state = { kind: 'streaming', firstTokenAt: now, wasSilent: this.#state.kind === 'silent' };
    endpoint.health.latency.recordFirstToken(this, call.promptTokens, now - this.startedAt, inFlight, now);
  }

  /** Corrects the quotas from the rate limit headers of the response. */
  learnLimits(reading: LimitReading | undefined): void {
    if (reading === undefined) return;
    const { reservation, tokensSent } = this.#parts;
    const { tokens } = reading;
    if (tokens?.remaining !== undefined)
      this.endpoint.tokensCharged.observeRemaining(tokensSent, tokens.remaining, tokens.limit);
    const now = performance.now();
    const listener = this.#parts.quotaListener();
    const before = listener && leastLeft(this.endpoint.quotas, now);
    reservation.correct(reading, now);
    if (!listener || !before) return;
    const after = leastLeft(this.endpoint.quotas, now);
    if (after.requests !== before.requests || after.tokens !== before.tokens) listener(before, after);
  }

  /** Ends the slot after a complete answer. Without reported usage, what was reserved counts as used. */
  succeed(usage: Usage | undefined): void {
    const now = performance.now();
    const state = this.#end();
    if (!state) return;
    const { cost } = this.#parts.reservation;
    const settlement = settlementOfUsage(usage);
    this.#settle('success', settlement, usage?.completion_tokens ?? cost.output, now);
    this.endpoint.health.activity.recordAnswer(now);
    this.#learnLatency(state, usage, now);
    this.#parts.apply({ kind: 'served', startedAt: this.startedAt, ms: now - this.startedAt });
  }

  /**
   * Ends the slot after a failure. Returns whether the failure counts against the endpoint.
   * @param output Output tokens that had arrived before.
   * @param isKnown Whether a failure of the same request, sent by an earlier call, has already counted against the
   *   endpoint.
   */
  fail(failure: UpstreamFailure, output = 0, isKnown = false): boolean {
    const { detail } = failure;
    if (detail.code === PROBED_ELSEWHERE) {
      this.abort(false);
      return false;
    }
    const now = performance.now();
    const state = this.#end();
    if (!state) return false;
    const { call, reservation } = this.#parts;
    const rule = ruleFor(detail);
    const wasSilent = state.kind === 'silent' || (state.kind === 'streaming' && state.wasSilent);
    const isCallersDeadline =
      detail.class === 'timeout' &&
      isEndedByDeadline({
        call,
        endpoint: this.endpoint,
        startedAt: this.startedAt,
        timeLimit: state.kind === 'waiting' && detail.code !== CONNECT_TIMEOUT ? this.#timeLimit : undefined,
        silenceMs: this.#silenceMs,
        now,
      });
    const isFailure = rule.countsAgainstEndpoint && !isCallersDeadline && !wasSilent;
    // Of a call's failures at this endpoint only one counts, however often the call is retried. The failure of a probe
    // is reported to the breaker in any case.
    const counts = isFailure && !isKnown && !this.endpoint.health.hasCounted(call);
    this.#settle(
      counts || (isFailure && this.#parts.ticket.isProbe) ? 'failure' : 'neutral',
      settlementOf(failure, call.promptTokens, output),
      output,
      now,
    );
    this.#parts.apply({ kind: 'failed', call, failure, rule, isFailure, counts, reservation });
    return counts;
  }

  /**
   * Ends the slot because the caller aborted, the attempt lost a hedge, or it was not sent.
   * @param isSent Whether the request was sent, so that the prompt counts as used.
   * @param output Output tokens that had arrived before.
   */
  abort(isSent: boolean, output = 0): void {
    if (!this.#end()) return;
    const usage = { input: this.#parts.call.promptTokens, output };
    const settlement: Settlement = isSent ? { kind: 'used', usage } : { kind: 'returned' };
    this.#settle('neutral', settlement, output, performance.now());
    this.#parts.apply({ kind: 'aborted' });
  }

  /**
   * Sends the attempt. A probe is sent only once it has the cluster's probe lock; the wait for the lock counts towards
   * its time limit. If another process has the lock, the probe fails like an attempt on a stale socket: nothing was
   * sent, so the failure says nothing about the endpoint, and the call may go elsewhere at no cost.
   */
  #sendWhenAllowed<T>(
    options: ExchangeOptions,
    send: (options: ClippedExchangeOptions) => Promise<T>,
  ): Promise<T> {
    const { settings, health } = this.endpoint;
    const { call } = this.#parts;
    const { limitMs, extensionMs, maxResponseBytes, signal } = options;
    const clipped = {
      limitMs,
      extensionMs,
      maxResponseBytes,
      signal,
      clipUsage: (usage: Usage): Usage => clipUsage(usage, call, settings),
      onSkippedEvent: () => health.recordSkippedEvent(),
    };
    const lock = this.#parts.ticket.acquireProbeLock(limitMs);
    return lock ? this.#sendProbe(clipped, lock, send) : send(clipped);
  }

  async #sendProbe<T>(
    options: ClippedExchangeOptions,
    lock: Promise<boolean>,
    send: (options: ClippedExchangeOptions) => Promise<T>,
  ): Promise<T> {
    const since = performance.now();
    if (!(await lock)) {
      const message = 'not sent: another process is probing this endpoint';
      throw new UpstreamFailure(
        { class: 'connection', code: PROBED_ELSEWHERE, message, staleSocket: true },
        false,
      );
    }
    return send({ ...options, limitMs: Math.max(1, options.limitMs - (performance.now() - since)) });
  }

  /** Ends the slot. Returns the state in which it ended; undefined if it had already ended. */
  #end(): State | undefined {
    const state = this.#state;
    if (state.kind === 'ended') return undefined;
    this.#state = { kind: 'ended' };
    clearTimeout(this.#silenceTimer);
    this.endpoint.health.latency.finish(this);
    if (state.kind === 'streaming') this.endpoint.health.activity.recordStreamEnd(performance.now());
    return state;
  }

  #settle(outcome: Outcome, settlement: Settlement, output: number, now: number): void {
    this.#parts.ticket.end(outcome);
    this.#parts.reservation.settle(settlement, now);
    this.#parts.spending?.settleAs(settlement);
    this.endpoint.tokensCharged.recordOutput(output);
  }

  #learnLatency(state: State, usage: Usage | undefined, now: number): void {
    const { call, inFlight } = this.#parts;
    const { latency } = this.endpoint.health;
    const output = usage?.completion_tokens ?? call.expectedOutputTokens;
    if (state.kind === 'streaming') latency.recordOutput(output, now - state.firstTokenAt, now);
    else latency.recordAnswer(this, call.promptTokens, output, now - this.startedAt, inFlight, now);
  }

  #startSilenceTimer(ms: number): Timer {
    return startTimer(() => afterPendingIO(() => this.#checkSilence()), ms).unref();
  }

  #checkSilence(): void {
    if (this.#state.kind !== 'waiting') return;
    const { endpoint, call, ticket } = this.#parts;
    const quietMs = endpoint.health.activity.quietMs(performance.now());
    if (quietMs < this.#silenceMs) {
      // The endpoint answers other attempts, so this one may be waiting in the provider's queue: check again later.
      this.#silenceTimer = this.#startSilenceTimer(this.#silenceMs - quietMs);
      return;
    }
    this.#state = { kind: 'silent' };
    const counts = !endpoint.health.hasCounted(call);
    ticket.end(counts || ticket.isProbe ? 'failure' : 'neutral');
    this.#parts.apply({ kind: 'silent', call, counts });
  }
}
