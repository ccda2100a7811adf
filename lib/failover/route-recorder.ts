import type { Usage } from '../call/answer';
import type { Call } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import type { FailureDetail } from '../failure/detail';
import type { AttemptReport, RouteReport, Verdict } from '../route-report';

/** Of an upstream's message, this much is reported. */
const MAX_MESSAGE_CHARS = 300;

export type ReportedFailure = Required<Pick<AttemptReport, 'class'>> &
  Pick<AttemptReport, 'status' | 'code' | 'message'>;

/** Collects the route report of a call while it runs. */
export class RouteRecorder {
  readonly #call: Call;
  readonly attempts: AttemptReport[] = [];
  waitMs = 0;
  /** The verdicts of the last pick; computed when read. */
  why: () => readonly Verdict[] = () => [];
  #wastedTokens = 0;
  #wastedUsd = 0;
  #firstTokenAt: number | undefined;
  #endedAt: number | undefined;
  #usage: Usage | undefined;
  #endpoint: Endpoint | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  recordAttempt({ endpoint, startedAt }: EndpointSlot, detail?: FailureDetail, hedge = false): AttemptReport {
    const attempt: AttemptReport = {
      endpoint: endpoint.name,
      model: endpoint.settings.model,
      ...(detail && reportedFailure(detail)),
      ms: Math.round(performance.now() - startedAt),
      ...(hedge ? { hedge } : {}),
    };
    this.attempts.push(attempt);
    return attempt;
  }

  /** Tokens of a failed attempt, of a hedge that lost, or of an answer that was started over. */
  addWaste({ settings }: Endpoint, input: number, output = 0): void {
    this.#wastedTokens += input + output;
    if (settings.price)
      this.#wastedUsd += (input * settings.price.input + output * settings.price.output) / 1e6;
  }

  /** The time that the call had, in milliseconds. */
  get deadlineMs(): number {
    return Math.round(this.#call.deadlineAt - this.#call.startedAt);
  }

  /** An attempt that lost against its hedge, or a hedge that lost. */
  recordHedgeLoser(slot: EndpointSlot, hedge: boolean): AttemptReport {
    this.addWaste(slot.endpoint, this.#call.promptTokens);
    return this.recordAttempt(slot, { class: 'aborted', message: '' }, hedge);
  }

  /** The caller left during an attempt: its prompt was sent and may be billed. */
  recordAborted(slot: EndpointSlot, hedge: boolean): AttemptReport {
    const { promptTokens } = this.#call;
    this.recordServedBy(slot.endpoint);
    this.recordEnd({ prompt_tokens: promptTokens, completion_tokens: 0, total_tokens: promptTokens });
    return this.recordAttempt(slot, { class: 'aborted', message: '' }, hedge);
  }

  /** The attempt that was serving the stream failed. */
  recordStreamBreak(detail: FailureDetail): AttemptReport | undefined {
    const index = this.attempts.findLastIndex((attempt) => attempt.class === undefined);
    const attempt = this.attempts[index];
    if (!attempt) return undefined;
    const broken = { ...attempt, ...reportedFailure(detail) };
    this.attempts[index] = broken;
    return broken;
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
      wastedTokens: this.#wastedTokens,
      ...(this.#wastedUsd === 0 ? {} : { wastedUsd: this.#wastedUsd }),
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

/** What reports and events show of a failure. */
export function reportedFailure({ class: failure, status, code, message }: FailureDetail): ReportedFailure {
  return {
    class: failure,
    ...(status === undefined ? {} : { status }),
    ...(code === undefined ? {} : { code }),
    ...(message === '' ? {} : { message: message.slice(0, MAX_MESSAGE_CHARS) }),
  };
}
