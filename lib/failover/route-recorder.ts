import type { Usage } from '../call/answer';
import type { Call } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import type { FailureDetail } from '../failure/detail';
import type { AttemptReport, RouteReport, Verdict } from '../route-report';

/** Writes down a call's way while it runs. */
export class RouteRecorder {
  readonly #call: Call;
  readonly attempts: AttemptReport[] = [];
  waitMs = 0;
  /** Why the last pick went as it did; worked out when asked. */
  why: () => readonly Verdict[] = () => [];
  wastedTokens = 0;
  #firstTokenAt: number | undefined;
  #endedAt: number | undefined;
  #usage: Usage | undefined;
  #endpoint: Endpoint | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  recordAttempt(endpoint: Endpoint, startedAt: number, detail?: FailureDetail, hedge = false): void {
    this.attempts.push({
      endpoint: endpoint.name,
      model: endpoint.settings.model,
      ...(detail ? { class: detail.class } : {}),
      ...(detail?.status === undefined ? {} : { status: detail.status }),
      ...(detail?.code === undefined ? {} : { code: detail.code }),
      ms: Math.round(performance.now() - startedAt),
      ...(hedge ? { hedge } : {}),
    });
  }

  /** A hedge's loser. */
  recordHedgeLoser(slot: EndpointSlot, promptTokens: number, hedge: boolean): void {
    this.recordAttempt(slot.endpoint, slot.startedAt, { class: 'aborted', message: '' }, hedge);
    this.wastedTokens += promptTokens;
  }

  /** The caller left while an attempt was under way: its prompt has been sent, and may have been charged. */
  recordAborted(slot: EndpointSlot, promptTokens: number, hedge: boolean): void {
    this.recordAttempt(slot.endpoint, slot.startedAt, { class: 'aborted', message: '' }, hedge);
    this.recordServedBy(slot.endpoint);
    this.recordEnd({ prompt_tokens: promptTokens, completion_tokens: 0, total_tokens: promptTokens });
  }

  /** The attempt that was serving broke off. */
  recordStreamBreak(detail: FailureDetail): void {
    const index = this.attempts.findLastIndex((recordAttempt) => recordAttempt.class === undefined);
    const recordEndpoint = this.attempts[index];
    if (recordEndpoint) this.attempts[index] = { ...recordEndpoint, class: detail.class };
  }

  /** Tokens that led to no answer: an answer was begun anew. */
  addWastedTokens(tokens: number): void {
    this.wastedTokens += tokens;
  }

  recordServedBy(endpoint: Endpoint): void {
    this.#endpoint = endpoint;
  }

  recordFirstToken(): void {
    this.#firstTokenAt ??= performance.now();
  }

  recordEnd(usage: Usage | undefined): void {
    this.#usage = usage;
    this.#endedAt = performance.now();
  }

  report(): RouteReport {
    const settings = this.#endpoint?.settings;
    const { startedAt } = this.#call;
    const costUsd = this.#costUsd();
    const { why } = this;
    return {
      requestId: this.#call.context.requestId,
      attempts: this.attempts,
      waitMs: Math.round(this.waitMs),
      totalMs: Math.round((this.#endedAt ?? performance.now()) - startedAt),
      endpoint: settings?.name ?? '',
      provider: settings?.provider ?? '',
      model: settings?.model ?? '',
      ...(this.#firstTokenAt === undefined
        ? {}
        : { firstTokenMs: Math.round(this.#firstTokenAt - startedAt) }),
      ...(this.#usage === undefined ? {} : { usage: this.#usage }),
      ...(costUsd === undefined ? {} : { costUsd }),
      wastedTokens: this.wastedTokens,
      get why() {
        return why();
      },
    };
  }

  #costUsd(): number | undefined {
    const price = this.#endpoint?.settings.price;
    const usage = this.#usage;
    if (!price || !usage) return undefined;
    const cached = Math.min(usage.prompt_tokens, usage.prompt_tokens_details?.cached_tokens ?? 0);
    const input = (usage.prompt_tokens - cached) * price.input + cached * (price.cachedInput ?? price.input);
    return (input + usage.completion_tokens * price.output) / 1e6;
  }
}
