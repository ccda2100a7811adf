/**
 * The Prometheus metrics: type, help and labels. The values of the labels are bounded: they are names and models of the
 * configuration, or come from fixed lists. The label `tenant` exists only if the app maps calls to it.
 */
export const METRICS = {
  ai_balancer_calls_total: {
    type: 'counter',
    help: 'Calls that ended, by result: ok or the code of the error.',
    labels: ['operation', 'type', 'priority', 'model', 'result'],
  },
  ai_balancer_attempts_total: {
    type: 'counter',
    help: 'Attempts that ended, by failure class: ok if they were served. A stream that broke off counts once more.',
    labels: ['endpoint', 'model', 'class'],
  },
  ai_balancer_tokens_total: {
    type: 'counter',
    help: 'Tokens of calls, by direction: input or output.',
    labels: ['endpoint', 'model', 'direction'],
  },
  ai_balancer_cost_usd_total: {
    type: 'counter',
    help: 'Price of calls in US dollars.',
    labels: ['endpoint', 'model'],
  },
  ai_balancer_wasted_tokens_total: {
    type: 'counter',
    help: 'Tokens of attempts without an answer.',
    labels: ['operation'],
  },
  ai_balancer_wasted_cost_usd_total: {
    type: 'counter',
    help: 'Price of attempts without an answer in US dollars.',
    labels: ['operation'],
  },
  ai_balancer_call_duration_seconds: {
    type: 'histogram',
    help: 'Duration of answered calls.',
    labels: ['operation', 'model', 'stream'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120],
  },
  ai_balancer_first_token_seconds: {
    type: 'histogram',
    help: 'Time from a streamed call to its first content.',
    labels: ['model'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 30],
  },
  ai_balancer_queue_wait_seconds: {
    type: 'histogram',
    help: 'Time of calls in the wait queue; 0 for calls that did not wait.',
    labels: ['priority'],
    buckets: [0, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  ai_balancer_cooldowns_total: {
    type: 'counter',
    help: 'Cooldowns that started.',
    labels: ['endpoint', 'class'],
  },
  ai_balancer_hedges_total: { type: 'counter', help: 'Hedges, by result: won or lost.', labels: ['result'] },
  ai_balancer_restarts_total: {
    type: 'counter',
    help: 'Streams that another endpoint started over.',
    labels: [],
  },
  ai_balancer_shed_total: { type: 'counter', help: 'Calls that the wait queue shed.', labels: ['priority'] },
  ai_balancer_queue_size: { type: 'gauge', help: 'Calls in the wait queue.', labels: ['priority'] },
  ai_balancer_endpoint_in_flight: {
    type: 'gauge',
    help: 'Attempts in flight.',
    labels: ['endpoint', 'model'],
  },
  ai_balancer_endpoint_state: {
    type: 'gauge',
    help: 'State of an endpoint: 0 closed, 1 half-open, 2 open, 3 cooldown, 4 disabled.',
    labels: ['endpoint', 'model'],
  },
  ai_balancer_endpoint_cooldown_seconds: {
    type: 'gauge',
    help: 'Time until the cooldown ends; 0 without one.',
    labels: ['endpoint', 'model'],
  },
  ai_balancer_endpoint_weight: {
    type: 'gauge',
    help: 'Weight of an endpoint.',
    labels: ['endpoint', 'model'],
  },
  ai_balancer_endpoint_requests_left: {
    type: 'gauge',
    help: 'Requests left in the quota of an endpoint with a limit.',
    labels: ['endpoint', 'model'],
  },
  ai_balancer_endpoint_tokens_left: {
    type: 'gauge',
    help: 'Tokens left in the quota of an endpoint with a limit.',
    labels: ['endpoint', 'model'],
  },
  ai_balancer_budget_limit_usd: {
    type: 'gauge',
    help: 'Limit of a budget in US dollars.',
    labels: ['scope', 'name', 'limit'],
  },
  ai_balancer_budget_spent_usd: {
    type: 'gauge',
    help: 'US dollars spent of a budget in its period.',
    labels: ['scope', 'name', 'limit'],
  },
  ai_balancer_event_loop_delay_seconds: {
    type: 'gauge',
    help: 'Delay of the event loop since the last scrape, by quantile: 0.5, 0.99 or 1.',
    labels: ['quantile'],
  },
} as const;

export type MetricName = keyof typeof METRICS;

export type HistogramName = {
  [Name in MetricName]: (typeof METRICS)[Name]['type'] extends 'histogram' ? Name : never;
}[MetricName];

/** The values of ai_balancer_endpoint_state. */
export const STATE_VALUES = { closed: 0, 'half-open': 1, open: 2, cooldown: 3, disabled: 4 } as const;
