import type { CallEvent } from '../balancer/events';
import type { MetricName } from './metric-names';

/** Combinations of labels that wait for the next scrape at most. */
const MAX_PENDING = 1_000;

/** The sums of calls with the same labels. */
interface CallSums extends Pick<CallEvent, 'operation' | 'type' | 'priority' | 'endpoint' | 'model'> {
  readonly result: string;
  readonly tenant: string | undefined;
  calls: number;
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
  wastedTokens: number;
  wastedUsd: number;
}

/** Adds to a counter. */
export type AddToCounter = (name: MetricName, labels: Record<string, string | number>, value: number) => void;

/** Adds calls up between two scrapes, because a counter of prom-client sorts and joins its labels at every step. */
export class CallCounts {
  readonly #add: AddToCounter;
  readonly #sums = new Map<string, CallSums>();

  constructor(add: AddToCounter) {
    this.#add = add;
  }

  record(event: CallEvent, tenant: string | undefined): void {
    const sums = this.#sumsOf(event, tenant);
    sums.calls++;
    sums.wastedTokens += event.wastedTokens;
    sums.wastedUsd += event.wastedUsd;
    if (!event.tokens || event.endpoint === '') return;
    sums.inputTokens += event.tokens.input;
    sums.outputTokens += event.tokens.output;
    sums.costUsd += event.costUsd ?? 0;
  }

  /** Adds the sums to the counters. */
  flush(): void {
    for (const sums of this.#sums.values()) {
      const { operation, type, priority, endpoint, model, result, tenant } = sums;
      const extra: Record<string, string> = tenant === undefined ? {} : { tenant };
      this.#add(
        'ai_balancer_calls_total',
        { operation, type, priority, model, result, ...extra },
        sums.calls,
      );
      this.#add('ai_balancer_tokens_total', { endpoint, model, direction: 'input' }, sums.inputTokens);
      this.#add('ai_balancer_tokens_total', { endpoint, model, direction: 'output' }, sums.outputTokens);
      this.#add('ai_balancer_cost_usd_total', { endpoint, model }, sums.costUsd);
      this.#add('ai_balancer_wasted_tokens_total', { operation }, sums.wastedTokens);
      this.#add('ai_balancer_wasted_cost_usd_total', { operation }, sums.wastedUsd);
    }
    this.#sums.clear();
  }

  #sumsOf(event: CallEvent, tenant: string | undefined): CallSums {
    const { operation, type, priority, endpoint, model, failed, code } = event;
    const result = failed ? (code ?? 'error') : 'ok';
    const key = `${operation} ${type} ${priority} ${result} ${endpoint}\n${model}\n${tenant}`;
    const known = this.#sums.get(key);
    if (known) return known;
    if (this.#sums.size >= MAX_PENDING) this.flush();
    const labels = { operation, type, priority, endpoint, model, result, tenant };
    const none = { calls: 0, inputTokens: 0, outputTokens: 0, costUsd: 0, wastedTokens: 0, wastedUsd: 0 };
    const sums = { ...labels, ...none };
    this.#sums.set(key, sums);
    return sums;
  }
}
