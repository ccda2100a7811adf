import { readFileSync } from 'node:fs';
import express from 'express';
import { aiMetrics } from 'express-ai-balancer';
import { Registry } from 'prom-client';
import request from 'supertest';
import { METRICS } from '../../lib/telemetry/metric-names';
import { requirePeer } from '../../lib/telemetry/optional-peer';
import { endpointAt, HELLO, Rig, rejection } from '../helpers/provider';

const rig = new Rig();

interface Sample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

/** Parses the text format of Prometheus strictly: any other line fails. */
function parse(text: string): { types: Map<string, string>; samples: Sample[] } {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('# HELP '))) {
    const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      types.set(type[1]!, type[2]!);
      continue;
    }
    const sample = /^([a-z_]+)(?:\{(.*)\})? (-?[\d.e+-]+|Nan|[+-]Inf)$/i.exec(line);
    if (!sample) throw new Error(`not a line of the text format: ${line}`);
    const labels = Object.fromEntries(
      [...(sample[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)",?/g)].map(([, key, value]) => [key!, value!]),
    );
    samples.push({ name: sample[1]!, labels, value: Number(sample[3]) });
  }
  return { types, samples };
}

function scrape(...args: Parameters<typeof aiMetrics>) {
  const app = express();
  app.get('/metrics', aiMetrics(...args));
  return async () => {
    const { text, headers } = await request(app).get('/metrics').expect(200);
    expect(headers['content-type']).toContain('text/plain; version=0.0.4');
    const { types, samples } = parse(text);
    const value = (name: string, labels: Record<string, string> = {}): number =>
      samples
        .filter((each) => each.name === name)
        .filter((each) => Object.entries(labels).every(([key, wanted]) => each.labels[key] === wanted))
        .reduce((sum, each) => sum + each.value, 0);
    return { types, samples, value };
  };
}

describe('aiMetrics()', () => {
  it('counts calls, attempts by failure class, tokens, cost and waste, and measures durations', async () => {
    const [sick, well] = [await rig.provider(), await rig.provider()];
    sick.fault({ kind: 'err5xx' });
    const price = { input: 1, output: 2 };
    const balancer = rig.balancer([
      endpointAt(sick, { name: 'sick', price }),
      endpointAt(well, { name: 'well', tier: 1, price, rpm: 600, tpm: 600_000 }),
    ]);
    const read = scrape(balancer);
    const { usage } = await balancer.chat(HELLO);
    for await (const _chunk of await balancer.chat({ ...HELLO, stream: true }));
    const { types, value } = await read();
    expect(value('ai_balancer_calls_total', { result: 'ok', operation: 'chat', model: 'gpt-4o' })).toBe(2);
    expect(value('ai_balancer_attempts_total', { endpoint: 'well', class: 'ok' })).toBe(2);
    expect(value('ai_balancer_attempts_total', { endpoint: 'sick', class: 'server' })).toBeGreaterThan(0);
    expect(value('ai_balancer_tokens_total', { endpoint: 'well', direction: 'input' })).toBe(
      2 * usage!.prompt_tokens,
    );
    expect(value('ai_balancer_cost_usd_total', { endpoint: 'well' })).toBeGreaterThan(0);
    expect(value('ai_balancer_wasted_tokens_total')).toBeGreaterThan(0);
    expect(value('ai_balancer_wasted_cost_usd_total')).toBeGreaterThan(0);
    expect(value('ai_balancer_call_duration_seconds_count')).toBe(2);
    expect(value('ai_balancer_first_token_seconds_count')).toBe(1);
    expect(value('ai_balancer_queue_wait_seconds_count')).toBe(2);
    expect(value('ai_balancer_endpoint_tokens_left', { endpoint: 'well' })).toBeGreaterThan(0);
    expect(Object.fromEntries(types)).toEqual(
      Object.fromEntries(Object.entries(METRICS).map(([name, { type }]) => [name, type])),
    );
  });

  it('shows the state and the cooldown of an endpoint, until a reload removes the endpoint', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)]);
    const read = scrape(balancer);
    provider.fault({ kind: 'unauthorized', calls: 1 });
    await rejection(balancer.chat(HELLO));
    const { value } = await read();
    expect(value('ai_balancer_endpoint_state', { endpoint: 'main' })).toBe(3);
    expect(value('ai_balancer_endpoint_cooldown_seconds', { endpoint: 'main' })).toBeGreaterThan(500);
    expect(value('ai_balancer_cooldowns_total', { class: 'unauthorized' })).toBe(1);
    await balancer.reload({ endpoints: [endpointAt(provider, { name: 'other' })], logger: false });
    await new Promise((resolve) => setTimeout(resolve, 150));
    const { samples } = await read();
    const named = samples.filter(({ name }) => name === 'ai_balancer_endpoint_state');
    expect(named.map(({ labels }) => labels.endpoint)).toEqual(['other']);
  });

  it('has a label for tenants only if the app maps calls to it, with a bounded number of values', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const plain = scrape(balancer);
    const mapped = scrape(balancer, { tenant: ({ requestId }) => requestId });
    for (let i = 0; i < 105; i++) await balancer.chat(HELLO, { tenant: 'shop', requestId: `r${i}` });
    expect((await plain()).samples.some(({ labels }) => 'tenant' in labels)).toBe(false);
    const { samples, value } = await mapped();
    const tenants = samples.filter(({ name }) => name === 'ai_balancer_calls_total');
    expect(tenants).toHaveLength(101);
    expect(value('ai_balancer_calls_total', { tenant: 'other' })).toBe(5);
  });

  it('has an empty label for a call that the app maps to no tenant', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const read = scrape(balancer, {
      tenant: ((event: { tenant?: string }) => event.tenant) as () => string,
    });
    await balancer.chat(HELLO, { tenant: 'shop' });
    await balancer.chat(HELLO);
    const { samples } = await read();
    const calls = samples.filter(({ name }) => name === 'ai_balancer_calls_total');
    expect(calls.map(({ labels }) => labels['tenant']).sort()).toEqual(['', 'shop']);
  });

  it('counts hedges by their result, restarts and shed calls', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const read = scrape(balancer);
    for (const won of [true, false, true])
      balancer.emit('hedge', { requestId: 'r', late: 'main', endpoint: 'other', won });
    balancer.emit('restart', { requestId: 'r', endpoint: 'main' });
    balancer.emit('queue', { change: 'growing', size: 10 });
    balancer.emit('queue', {
      change: 'shed',
      requestId: 'r',
      priority: 9,
      size: 10,
      retryAfterMs: 5,
    } as never);
    const { value } = await read();
    expect(value('ai_balancer_hedges_total', { result: 'won' })).toBe(2);
    expect(value('ai_balancer_hedges_total', { result: 'lost' })).toBe(1);
    expect(value('ai_balancer_restarts_total')).toBe(1);
    expect(value('ai_balancer_shed_total', { priority: '9' })).toBe(1);
  });

  it('names the package to install if an optional one is missing', () => {
    expect(() => requirePeer('no-such-package', 'aiMetrics')).toThrow(
      "aiMetrics: expected the package 'no-such-package' (npm install no-such-package), got none: it is not installed",
    );
  });

  it('uses a given registry, and rejects one that has the metrics of another balancer', async () => {
    const registry = new Registry();
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    aiMetrics(balancer, { registry });
    expect(registry.getSingleMetric('ai_balancer_calls_total')).toBeDefined();
    expect(() => aiMetrics(balancer, { registry })).toThrow(/a registry of its own for each balancer/);
  });

  it.each([[7], [{ registry: {} }], [{ tenant: 'x' }], [{ registy: 1 }]])(
    'rejects the options %j',
    async (options) => {
      const balancer = rig.balancer([endpointAt(await rig.provider())]);
      expect(() => aiMetrics(balancer, options as never)).toThrow(/metrics\.|options: expected an object/);
    },
  );
});

describe('The Grafana dashboard', () => {
  it('uses only metrics and labels that exist', () => {
    const text = readFileSync('examples/grafana/ai-balancer.json', 'utf8');
    const expressions = [...text.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(
      ([, expression]) => expression!,
    );
    expect(expressions.length).toBeGreaterThan(10);
    for (const expression of expressions) {
      const names = expression.match(/ai_balancer_\w+/g) ?? [];
      expect(names).not.toEqual([]);
      for (const name of names) {
        const metric = name.replace(/_(bucket|count|sum)$/, '');
        expect(Object.keys(METRICS)).toContain(metric);
        const { labels } = METRICS[metric as keyof typeof METRICS];
        const grouped = [...expression.matchAll(/by \(([\w, ]+)\)/g)].flatMap(([, list]) =>
          list!.split(/, */),
        );
        expect([...labels, 'le', 'instance']).toEqual(expect.arrayContaining(grouped));
      }
    }
  });
});
