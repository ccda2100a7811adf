// eslint-disable-next-line no-restricted-imports -- the delay of the event loop is measured by nothing else; no clock is read
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { RequestHandler } from 'express';
import type promClient from 'prom-client';
import type { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Balancer } from '../balancer/balancer';
import { checkOptions } from '../balancer/check-options';
import type { CallEvent } from '../balancer/events';
import type { BalancerStats } from '../balancer/stats';
import { type Fault, faultAt, optionsError } from '../config/config-errors';
import { isObject } from '../util/is-object';
import { CallCounts } from './call-counts';
import { HistogramMetric, type HistogramSeries } from './histogram-metric';
import { type HistogramName, METRICS, type MetricName, STATE_VALUES } from './metric-names';
import { requirePeer } from './optional-peer';

/** A registry of prom-client. */
export interface MetricsRegistry {
  /** The content type of the text. */
  readonly contentType: string;
  /** All metrics of the registry as text. */
  metrics(): Promise<string>;
}

/** Options of {@link aiMetrics}. */
export interface AiMetricsOptions {
  /** The prom-client registry to register the metrics in. Default: a registry of this balancer's own. */
  readonly registry?: MetricsRegistry | undefined;
  /**
   * Maps a call to the label `tenant` of `ai_balancer_calls_total`. At most 100 values are kept; further ones become
   * 'other'. Default: no such label, because the number of tenants is unbounded.
   */
  tenant?: ((event: CallEvent) => string) | undefined;
}

/** Maximum number of values of the label `tenant`. */
const MAX_TENANTS = 100;
const MAX_TENANT_CHARS = 100;
/** How long a snapshot of the balancer is reused, in milliseconds, so that all gauges of a scrape share one. */
const SNAPSHOT_MS = 100;
const NANOSECONDS = 1e9;

type PromClient = typeof promClient;

/**
 * Serves the balancer's metrics in the text format of Prometheus. See docs/observability.md for the metrics. Needs the
 * package prom-client.
 *
 * @example app.get('/metrics', aiMetrics(balancer))
 *
 * @throws ERR_AI_CONFIG if prom-client is not installed, an option is invalid, or the registry has these metrics
 * already.
 */
export function aiMetrics(balancer: Balancer, options: AiMetricsOptions = {}): RequestHandler {
  checkOptions('metrics', balancer, metricsFaults(options));
  const client = requirePeer('prom-client', 'metrics') as PromClient;
  const registry = (options.registry as Registry | undefined) ?? new client.Registry();
  record(balancer, new MetricSet(client, registry, options.tenant !== undefined), options);
  return function aiMetricsMiddleware(_req, res, next) {
    registry.metrics().then((text) => {
      res.setHeader('content-type', registry.contentType);
      res.end(text);
    }, next);
  };
}

function metricsFaults(options: unknown): Fault[] {
  if (!isObject(options)) return [faultAt({ options }, ['options'], 'an object')];
  const faults: Fault[] = [];
  const { registry, tenant } = options;
  if (registry !== undefined && !(isObject(registry) && typeof registry.registerMetric === 'function'))
    faults.push(faultAt(options, ['registry'], 'a Registry of prom-client'));
  if (tenant !== undefined && typeof tenant !== 'function')
    faults.push(faultAt(options, ['tenant'], 'a function (event) => label'));
  for (const name of Object.keys(options))
    if (name !== 'registry' && name !== 'tenant') faults.push(faultAt(options, [name], 'registry or tenant'));
  return faults;
}

type Labels = Record<string, string | number>;

/** The metrics of one balancer, by name. */
class MetricSet {
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, HistogramMetric>();
  readonly #registry: Registry;
  readonly #gauges = new Map<string, Gauge>();

  constructor(client: PromClient, registry: Registry, hasTenant: boolean) {
    this.#registry = registry;
    const registers = [registry];
    const taken = Object.keys(METRICS).find((name) => registry.getSingleMetric(name) !== undefined);
    if (taken !== undefined)
      throw optionsError('metrics', [
        {
          path: ['registry'],
          expected: 'a registry of its own for each balancer',
          got: `one that has ${taken}`,
        },
      ]);
    for (const [name, metric] of Object.entries(METRICS)) {
      const { type, help } = metric;
      const labelNames: string[] = [...metric.labels];
      if (hasTenant && name === 'ai_balancer_calls_total') labelNames.push('tenant');
      const options = { name, help, labelNames, registers };
      if (type === 'counter') this.#counters.set(name, new client.Counter(options));
      else if (type === 'gauge') this.#gauges.set(name, new client.Gauge(options));
      else this.#histogram(name as HistogramName);
    }
  }

  add(name: MetricName, labels: Labels, value = 1): void {
    if (value > 0) this.#counters.get(name)?.inc(labels, value);
  }

  series(name: HistogramName, labels: Labels): HistogramSeries {
    return this.#histogram(name).series(labels);
  }

  set(name: MetricName, labels: Labels, value: number): void {
    this.#gauges.get(name)?.set(labels, value);
  }

  /**
   * Sets the functions that run at each scrape: `setGauge` for each gauge, to set its values again, and `addCounts` for
   * each counter.
   */
  onCollect(setGauge: (name: MetricName) => void, addCounts: () => void): void {
    for (const counter of this.#counters.values())
      (counter as Counter & { collect?: () => void }).collect = addCounts;
    for (const [name, gauge] of this.#gauges) {
      (gauge as Gauge & { collect?: () => void }).collect = () => {
        gauge.reset();
        setGauge(name as MetricName);
      };
    }
  }

  #histogram(name: HistogramName): HistogramMetric {
    const known = this.#histograms.get(name);
    if (known) return known;
    const { help, labels, buckets } = METRICS[name];
    const histogram = new HistogramMetric({ name, help, labelNames: labels, buckets });
    this.#registry.registerMetric(histogram as unknown as Histogram);
    this.#histograms.set(name, histogram);
    return histogram;
  }
}

function record(balancer: Balancer, metrics: MetricSet, options: AiMetricsOptions): void {
  const tenantLabel = options.tenant && boundedTenant((event) => options.tenant?.(event) ?? '');
  const counts = new CallCounts(metrics);
  balancer.on('call', (event) => counts.record(event, tenantLabel?.(event)));
  balancer.on('attempt', (event) => counts.recordAttempt(event));
  balancer.on('cooldown', ({ endpoint, class: failure }) =>
    metrics.add('ai_balancer_cooldowns_total', { endpoint, class: failure }),
  );
  balancer.on('hedge', ({ won }) =>
    metrics.add('ai_balancer_hedges_total', { result: won ? 'won' : 'lost' }),
  );
  balancer.on('restart', () => metrics.add('ai_balancer_restarts_total', {}));
  balancer.on('queue', (event) => {
    if (event.change === 'shed') metrics.add('ai_balancer_shed_total', { priority: event.priority });
  });
  const snapshot = cachedSnapshot(balancer);
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  metrics.onCollect(
    (name) => {
      if (name === 'ai_balancer_event_loop_delay_seconds') setDelay(metrics, delay);
      else setGauge(metrics, name, snapshot());
    },
    () => counts.flush(),
  );
}

function setGauge(metrics: MetricSet, name: MetricName, stats: BalancerStats): void {
  if (name === 'ai_balancer_queue_size') {
    for (const [priority, size] of Object.entries(stats.queue.byPriority))
      metrics.set(name, { priority }, size);
    return;
  }
  for (const { scope, name: budget, limit, limitUsd, spentUsd } of stats.budgets) {
    const labels = { scope, name: budget, limit };
    if (name === 'ai_balancer_budget_limit_usd') metrics.set(name, labels, limitUsd);
    else if (name === 'ai_balancer_budget_spent_usd') metrics.set(name, labels, spentUsd);
  }
  for (const endpoint of stats.endpoints) {
    const value = endpointValue(name, endpoint);
    if (value !== undefined) metrics.set(name, { endpoint: endpoint.name, model: endpoint.model }, value);
  }
}

function endpointValue(name: MetricName, endpoint: BalancerStats['endpoints'][number]): number | undefined {
  switch (name) {
    case 'ai_balancer_endpoint_in_flight':
      return endpoint.inFlight;
    case 'ai_balancer_endpoint_state':
      return STATE_VALUES[endpoint.state];
    case 'ai_balancer_endpoint_cooldown_seconds':
      return Math.max(0, (endpoint.cooldownUntil ?? 0) - Date.now()) / 1_000;
    case 'ai_balancer_endpoint_weight':
      return endpoint.weight;
    case 'ai_balancer_endpoint_requests_left':
      return endpoint.requestsLeft;
    case 'ai_balancer_endpoint_tokens_left':
      return endpoint.tokensLeft;
    default:
      return undefined;
  }
}

function setDelay(metrics: MetricSet, delay: ReturnType<typeof monitorEventLoopDelay>): void {
  const name = 'ai_balancer_event_loop_delay_seconds';
  metrics.set(name, { quantile: '0.5' }, delay.percentile(50) / NANOSECONDS);
  metrics.set(name, { quantile: '0.99' }, delay.percentile(99) / NANOSECONDS);
  metrics.set(name, { quantile: '1' }, delay.max / NANOSECONDS);
  delay.reset();
}

function cachedSnapshot(balancer: Balancer): () => BalancerStats {
  let cached: { readonly at: number; readonly stats: BalancerStats } | undefined;
  return () => {
    const now = performance.now();
    if (!cached || now - cached.at > SNAPSHOT_MS) cached = { at: now, stats: balancer.stats() };
    return cached.stats;
  };
}

/** Bounds the values of the label `tenant`, because the app's function may return a new value for every call. */
function boundedTenant(tenant: (event: CallEvent) => string): (event: CallEvent) => string {
  const seen = new Set<string>();
  return (event) => {
    const label = tenant(event).slice(0, MAX_TENANT_CHARS);
    if (!seen.has(label) && seen.size >= MAX_TENANTS) return 'other';
    seen.add(label);
    return label;
  };
}
