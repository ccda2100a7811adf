import type { Usage } from '../call/answer';
import type { Call } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import type { FailureDetail } from '../failure/detail';
import type { AttemptReport, RouteReport, Verdict } from '../route-report';
import type { Writable } from '../util/writable';

/** Maximum length of an upstream's message in a report, in characters. */
const MAX_MESSAGE_CHARS = 300;

export type ReportedFailure = Required<Pick<AttemptReport, 'class'>> &
  Pick<AttemptReport, 'status' | 'code' | 'message'>;

/** Collects the route report of a call while it runs. */
export class RouteRecorder {
  readonly #call: Call;
  readonly attempts: AttemptReport[] = [];
  waitMs = 0;
  /** Returns the verdicts of the router's last pick, computed when it is called. */
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
    const { name, settings } = endpoint;
    const ms = Math.round(performance.now() - startedAt);
    const attempt: Writable<AttemptReport> = detail
      ? { endpoint: name, model: settings.model, ...reportedFailure(detail), ms }
      : { endpoint: name, model: settings.model, ms };
    if (hedge) attempt.hedge = hedge;
    this.attempts.push(attempt);
    return attempt;
  }

  /**
   * Adds to the call's wasted tokens those of a failed attempt, of a hedge that lost, or of an answer that was started
   * over.
   */
  addWaste({ settings }: Endpoint, input: number, output = 0): void {
    this.#wastedTokens += input + output;
    if (settings.price)
      this.#wastedUsd += (input * settings.price.input + output * settings.price.output) / 1e6;
  }

  /** The time between the call's start and its deadline, in milliseconds. */
  get deadlineMs(): number {
    return Math.round(this.#call.deadlineAt - this.#call.startedAt);
  }

  /** Records an attempt that lost to its hedge, or a hedge that lost. */
  recordHedgeLoser(slot: EndpointSlot, hedge: boolean): AttemptReport {
    this.addWaste(slot.endpoint, this.#call.promptTokens);
    return this.recordAttempt(slot, { class: 'aborted', message: '' }, hedge);
  }

  /**
   * Records that the caller left during an attempt. Its prompt counts as used, because it was sent and may be billed.
   */
  recordAborted(slot: EndpointSlot, hedge: boolean): AttemptReport {
    const { promptTokens } = this.#call;
    this.recordServedBy(slot.endpoint);
    this.recordEnd({ prompt_tokens: promptTokens, completion_tokens: 0, total_tokens: promptTokens });
    return this.recordAttempt(slot, { class: 'aborted', message: '' }, hedge);
  }

  /** Records that the attempt that was serving the stream failed. Returns the new report of that attempt. */
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
    const { startedAt, context } = this.#call;
    return new Report(
      {
        requestId: context.requestId,
        attempts: this.attempts,
        waitMs: Math.round(this.waitMs),
        totalMs: Math.round((this.#endedAt ?? performance.now()) - startedAt),
        endpoint: settings?.name ?? '',
        provider: settings?.provider ?? '',
        model: settings?.model ?? '',
        firstTokenMs:
          this.#firstTokenAt === undefined ? undefined : Math.round(this.#firstTokenAt - startedAt),
        usage: this.#usage,
        costUsd: this.#costUsd(),
        wastedTokens: this.#wastedTokens,
        wastedUsd: this.#wastedUsd === 0 ? undefined : this.#wastedUsd,
      },
      this.why,
    );
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

type Optional = 'firstTokenMs' | 'usage' | 'costUsd' | 'wastedUsd';
type Reported = Omit<RouteReport, 'why' | 'shared' | Optional> & {
  readonly [K in Optional]: RouteReport[K] | undefined;
};

/**
 * A report whose verdicts are computed when they are read. A getter in an object literal would give each report a
 * hidden class of its own, which takes longer than the rest of the report.
 */
class Report {
  static readonly #WHY: PropertyDescriptor & ThisType<Report> = {
    get() {
      return this.#why();
    },
    enumerable: true,
    configurable: true,
  };
  declare readonly requestId: string;
  declare readonly attempts: readonly AttemptReport[];
  declare readonly waitMs: number;
  declare readonly totalMs: number;
  declare readonly endpoint: string;
  declare readonly provider: string;
  declare readonly model: string;
  declare readonly firstTokenMs?: number;
  declare readonly usage?: Usage;
  declare readonly costUsd?: number;
  declare readonly wastedTokens: number;
  declare readonly wastedUsd?: number;
  declare readonly why: readonly Verdict[];
  readonly #why: () => readonly Verdict[];

  constructor(reported: Reported, why: () => readonly Verdict[]) {
    this.requestId = reported.requestId;
    this.attempts = reported.attempts;
    this.waitMs = reported.waitMs;
    this.totalMs = reported.totalMs;
    this.endpoint = reported.endpoint;
    this.provider = reported.provider;
    this.model = reported.model;
    if (reported.firstTokenMs !== undefined) this.firstTokenMs = reported.firstTokenMs;
    if (reported.usage !== undefined) this.usage = reported.usage;
    if (reported.costUsd !== undefined) this.costUsd = reported.costUsd;
    this.wastedTokens = reported.wastedTokens;
    if (reported.wastedUsd !== undefined) this.wastedUsd = reported.wastedUsd;
    this.#why = why;
    Object.defineProperty(this, 'why', Report.#WHY);
  }
}

/** The part of a failure that reports and events show. */
export function reportedFailure({ class: failure, status, code, message }: FailureDetail): ReportedFailure {
  return {
    class: failure,
    ...(status === undefined ? {} : { status }),
    ...(code === undefined ? {} : { code }),
    ...(message === '' ? {} : { message: message.slice(0, MAX_MESSAGE_CHARS) }),
  };
}
