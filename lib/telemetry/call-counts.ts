import type { AttemptEvent, CallEvent } from '../balancer/events';
import type { HistogramSeries } from './histogram-metric';
import type { HistogramName, MetricName } from './metric-names';

/**
 * Maximum number of label combinations whose totals are held back until the next scrape. A further combination writes
 * all totals to the counters at once.
 */
const MAX_PENDING = 1_000;

/** Totals of all calls with the same labels. */
interface CallSums extends Pick<CallEvent, 'operation' | 'type' | 'priority' | 'endpoint' | 'model'> {
  readonly result: string;
  readonly stream: boolean;
  readonly tenant: string | undefined;
  calls: number;
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
  wastedTokens: number;
  wastedUsd: number;
  readonly wait: HistogramSeries;
  readonly firstToken: HistogramSeries;
  readonly duration: HistogramSeries;
}

/** Number of attempts with the same labels. */
interface AttemptSum {
  readonly endpoint: string;
  readonly model: string;
  readonly class: string;
  attempts: number;
}

type Labels = Record<string, string | number>;

/** The metrics that the totals are written to. */
export interface CountedMetrics {
  /** Adds to a counter. */
  add(name: MetricName, labels: Labels, value: number): void;
  series(name: HistogramName, labels: Labels): HistogramSeries;
}

/** Sums up calls between two scrapes, because a prom-client counter sorts and joins its labels at every increment. */
export class CallCounts {
  readonly #metrics: CountedMetrics;
  readonly #sums = new Map<string, CallSums>();
  readonly #attempts = new Map<string, AttemptSum>();
  /** The totals used last, by endpoint. The next call mostly has the same labels, so that no key has to be built. */
  readonly #lastSums = new Map<string, CallSums>();
  readonly #lastAttempts = new Map<string, AttemptSum>();

  constructor(metrics: CountedMetrics) {
    this.#metrics = metrics;
  }

  record(event: CallEvent, tenant: string | undefined): void {
    const sums = this.#sumsOf(event, tenant);
    sums.calls++;
    sums.wastedTokens += event.wastedTokens;
    sums.wastedUsd += event.wastedUsd;
    sums.wait.observe(event.waitMs / 1_000);
    if (event.firstTokenMs !== undefined) sums.firstToken.observe(event.firstTokenMs / 1_000);
    if (!event.failed) sums.duration.observe(event.ms / 1_000);
    if (!event.tokens || event.endpoint === '') return;
    sums.inputTokens += event.tokens.input;
    sums.outputTokens += event.tokens.output;
    sums.costUsd += event.costUsd ?? 0;
  }

  recordAttempt(event: AttemptEvent): void {
    const { endpoint, model } = event;
    const failure = event.class ?? 'ok';
    const last = this.#lastAttempts.get(endpoint);
    const sum =
      last?.class === failure && last.model === model ? last : this.#sumOf(endpoint, model, failure);
    sum.attempts++;
  }

  /** Adds the totals to the counters and clears them. */
  flush(): void {
    const add = this.#metrics.add.bind(this.#metrics);
    for (const { attempts, ...labels } of this.#attempts.values())
      add('ai_balancer_attempts_total', labels, attempts);
    this.#attempts.clear();
    this.#lastAttempts.clear();
    for (const sums of this.#sums.values()) {
      const { operation, type, priority, endpoint, model, result, tenant } = sums;
      const extra: Record<string, string> = tenant === undefined ? {} : { tenant };
      add('ai_balancer_calls_total', { operation, type, priority, model, result, ...extra }, sums.calls);
      add('ai_balancer_tokens_total', { endpoint, model, direction: 'input' }, sums.inputTokens);
      add('ai_balancer_tokens_total', { endpoint, model, direction: 'output' }, sums.outputTokens);
      add('ai_balancer_cost_usd_total', { endpoint, model }, sums.costUsd);
      add('ai_balancer_wasted_tokens_total', { operation }, sums.wastedTokens);
      add('ai_balancer_wasted_cost_usd_total', { operation }, sums.wastedUsd);
    }
    this.#sums.clear();
    this.#lastSums.clear();
  }

  #sumOf(endpoint: string, model: string, failure: string): AttemptSum {
    const key = `${failure} ${endpoint}\n${model}`;
    let sum = this.#attempts.get(key);
    if (!sum) {
      if (this.#attempts.size >= MAX_PENDING) this.flush();
      sum = { endpoint, model, class: failure, attempts: 0 };
      this.#attempts.set(key, sum);
    }
    this.#lastAttempts.set(endpoint, sum);
    return sum;
  }

  #sumsOf(event: CallEvent, tenant: string | undefined): CallSums {
    const result = event.failed ? (event.code ?? 'error') : 'ok';
    const last = this.#lastSums.get(event.endpoint);
    if (last && hasLabels(last, event, result, tenant)) return last;
    const { operation, type, priority, endpoint, model, stream } = event;
    const key = `${operation} ${type} ${priority} ${result} ${stream} ${endpoint}\n${model}\n${tenant}`;
    let sums = this.#sums.get(key);
    if (!sums) {
      if (this.#sums.size >= MAX_PENDING) this.flush();
      sums = this.#newSums(event, result, tenant);
      this.#sums.set(key, sums);
    }
    this.#lastSums.set(endpoint, sums);
    return sums;
  }

  #newSums(event: CallEvent, result: string, tenant: string | undefined): CallSums {
    const { operation, type, priority, endpoint, model, stream } = event;
    const labels = { operation, type, priority, endpoint, model, stream, result, tenant };
    const none = { calls: 0, inputTokens: 0, outputTokens: 0, costUsd: 0, wastedTokens: 0, wastedUsd: 0 };
    const durationLabels = { operation, model, stream: String(stream) };
    return {
      ...labels,
      ...none,
      wait: this.#metrics.series('ai_balancer_queue_wait_seconds', { priority }),
      firstToken: this.#metrics.series('ai_balancer_first_token_seconds', { model }),
      duration: this.#metrics.series('ai_balancer_call_duration_seconds', durationLabels),
    };
  }
}

function hasLabels(sums: CallSums, event: CallEvent, result: string, tenant: string | undefined): boolean {
  return (
    sums.result === result &&
    sums.priority === event.priority &&
    sums.type === event.type &&
    sums.stream === event.stream &&
    sums.operation === event.operation &&
    sums.model === event.model &&
    sums.tenant === tenant
  );
}
