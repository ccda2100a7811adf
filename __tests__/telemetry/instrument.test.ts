import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { type Balancer, instrument } from 'express-ai-balancer';
import { version } from '../../package.json';
import { endpointAt, HELLO, Rig, rejection } from '../helpers/provider';

const rig = new Rig();

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => context.disable());

function telemetry(balancer: Balancer) {
  const spans = new InMemorySpanExporter();
  const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer(
    'test',
  );
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ readers: [reader] });
  const stop = instrument(balancer, { tracer, meter: meters.getMeter('test') });
  return {
    tracer,
    stop,
    spans: () => spans.getFinishedSpans(),
    metrics: async () => {
      await reader.forceFlush();
      const all = exporter
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((each) => each.metrics));
      await meters.shutdown();
      return all;
    },
  };
}

describe('instrument()', () => {
  it('creates one client span per call, as a child of the active span, with the attempts as its children', async () => {
    const [sick, well] = [await rig.provider(), await rig.provider()];
    sick.fault({ kind: 'unauthorized' });
    const balancer = rig.balancer([
      endpointAt(sick, { name: 'sick' }),
      endpointAt(well, { name: 'well', tier: 1, price: { input: 1, output: 1 } }),
    ]);
    const { tracer, spans } = telemetry(balancer);
    const request = tracer.startSpan('POST /ask');
    const { usage, id } = await context.with(trace.setSpan(context.active(), request), () =>
      balancer.chat({ ...HELLO, temperature: 0.5, max_tokens: 50 }, { requestId: 'r1' }),
    );
    request.end();
    const [first, second, call] = spans();
    expect([first?.name, second?.name, call?.name]).toEqual(['attempt sick', 'attempt well', 'chat gpt-4o']);
    expect(call?.kind).toBe(SpanKind.CLIENT);
    expect(call?.parentSpanContext?.spanId).toBe(request.spanContext().spanId);
    for (const child of [first, second]) {
      expect(child?.parentSpanContext?.spanId).toBe(call?.spanContext().spanId);
      expect(child?.spanContext().traceId).toBe(request.spanContext().traceId);
    }
    expect(first?.attributes).toMatchObject({
      'error.type': 'unauthorized',
      'http.response.status_code': 401,
    });
    expect(first?.status.code).toBe(SpanStatusCode.ERROR);
    expect(call?.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.response.model': 'gpt-4o',
      'gen_ai.response.id': id,
      'gen_ai.response.finish_reasons': ['length'],
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.max_tokens': 50,
      'gen_ai.usage.input_tokens': usage?.prompt_tokens,
      'gen_ai.usage.output_tokens': usage?.completion_tokens,
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(well.url).port),
      'ai_balancer.request_id': 'r1',
      'ai_balancer.endpoint': 'well',
      'ai_balancer.attempts': 2,
    });
    expect(call?.status.code).toBe(SpanStatusCode.UNSET);
    expect(JSON.stringify(spans().map(({ attributes }) => attributes))).not.toContain('parcel');
  });

  it('ends the span of a stream when the stream ends, and that of a failed call with its error code', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)], { retry: { maxAttempts: 1 } });
    const { spans } = telemetry(balancer);
    const stream = await balancer.chat({ ...HELLO, stream: true });
    expect(spans().map(({ name }) => name)).toEqual(['attempt main']);
    let id = '';
    for await (const chunk of stream) id = chunk.id;
    expect(spans()[1]?.attributes).toMatchObject({
      'gen_ai.request.stream': true,
      'gen_ai.response.id': id,
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.response.time_to_first_chunk': expect.any(Number) as number,
    });
    provider.fault({ kind: 'err5xx' });
    await rejection(balancer.chat(HELLO));
    const failed = spans().at(-1);
    expect(failed?.attributes).toMatchObject({ 'error.type': 'ERR_AI_ALL_FAILED' });
    expect(failed?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'ERR_AI_ALL_FAILED' });
  });

  it('measures duration, time to first chunk and tokens by type', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const { metrics } = telemetry(balancer);
    await balancer.chat(HELLO);
    for await (const _chunk of await balancer.chat({ ...HELLO, stream: true }));
    const recorded = await metrics();
    expect(recorded.map(({ descriptor }) => [descriptor.name, descriptor.unit])).toEqual([
      ['gen_ai.client.operation.duration', 's'],
      ['gen_ai.client.operation.time_to_first_chunk', 's'],
      ['gen_ai.client.token.usage', '{token}'],
    ]);
    const types = recorded[2]?.dataPoints.map(({ attributes }) => attributes['gen_ai.token.type']);
    expect(types).toEqual(['input', 'output']);
  });

  it('creates no attempt spans for a call that is not sampled, but measures it', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const names: string[] = [];
    const tracer = {
      startSpan: (name: string) => {
        names.push(name);
        return trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 0 });
      },
    };
    const record = jest.fn();
    instrument(balancer, { tracer, meter: { createHistogram: () => ({ record }) } });
    await balancer.chat(HELLO);
    expect(names).toEqual(['chat gpt-4o']);
    expect(record).toHaveBeenCalledTimes(3);
  });

  it('traces calls as soon as the app has registered its tracer provider', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    instrument(balancer);
    await balancer.chat(HELLO);
    const exporter = new InMemorySpanExporter();
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
    );
    try {
      await balancer.chat(HELLO);
      await balancer.chat(HELLO);
    } finally {
      trace.disable();
    }
    const spans = exporter.getFinishedSpans();
    expect(spans.filter(({ name }) => name === 'chat gpt-4o')).toHaveLength(2);
    expect(spans[0]?.instrumentationScope).toMatchObject({ name: 'express-ai-balancer', version });
  });

  it('measures calls although no tracer provider is registered', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const record = jest.fn();
    instrument(balancer, { meter: { createHistogram: () => ({ record }) } });
    await balancer.chat(HELLO);
    expect(record).toHaveBeenCalledTimes(3);
  });

  it('creates only the span of a call that is not sampled if no SDK for metrics is set up', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const startSpan = jest.fn(() =>
      trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 0 }),
    );
    instrument(balancer, { tracer: { startSpan } });
    await balancer.chat(HELLO);
    expect(startSpan).toHaveBeenCalledTimes(1);
    expect(balancer.stats().listenerFailures).toBe(0);
  });

  it('records nothing after it was stopped', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const { spans, stop } = telemetry(balancer);
    stop();
    await balancer.chat(HELLO);
    expect(spans()).toEqual([]);
  });

  it('makes no call fail if the tracer throws', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const fail = (): never => {
      throw new Error('the exporter is broken');
    };
    instrument(balancer, {
      tracer: { startSpan: fail },
      meter: { createHistogram: () => ({ record: fail }) },
    });
    await balancer.chat(HELLO);
    expect(balancer.stats()).toMatchObject({ calls: { ok: 1 } });
    expect(balancer.stats().listenerFailures).toBeGreaterThan(0);
  });

  it.each([
    ['https://upstream.invalid/v1', 443],
    ['http://upstream.invalid/v1', 80],
    ['http://upstream.invalid:8080/v1', 8080],
  ])('records the server of %s with its port %p', async (baseURL, port) => {
    const balancer = rig.balancer([endpointAt({ url: baseURL })], { retry: { maxAttempts: 1 } });
    const { spans } = telemetry(balancer);
    await rejection(balancer.chat({ messages: HELLO.messages }));
    const [attempt, call] = spans();
    expect(attempt?.attributes).toMatchObject({ 'server.address': 'upstream.invalid', 'server.port': port });
    expect(call?.name).toBe('chat auto');
    expect(call?.attributes).not.toHaveProperty('gen_ai.request.model');
  });

  it('records a failure of a function of the app without an error code', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())], {
      hooks: {
        before: () => {
          throw new Error('the hook is broken');
        },
      },
    });
    const { spans, metrics } = telemetry(balancer);
    await rejection(balancer.chat(HELLO));
    const [call] = spans();
    expect(call?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'error' });
    expect(call?.attributes).toMatchObject({ 'error.type': '_OTHER' });
    expect((await metrics())[0]?.dataPoints[0]?.attributes).toMatchObject({ 'error.type': '_OTHER' });
  });

  it('records where a stream broke off', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'cut' });
    const balancer = rig.balancer([endpointAt(provider)]);
    const { spans } = telemetry(balancer);
    const read = async () => {
      for await (const _chunk of await balancer.chat({ ...HELLO, stream: true }));
    };
    await rejection(read());
    const call = spans().find(({ name }) => name === 'chat gpt-4o');
    expect(call?.events).toMatchObject([
      {
        name: 'stream broke off',
        attributes: { 'ai_balancer.endpoint': 'main', 'error.type': expect.any(String) as string },
      },
    ]);
  });

  it.each([[7], [null], [{ tracer: {} }], [{ meter: 1 }], [{ tracr: 1 }]])(
    'rejects the options %j',
    async (options) => {
      const balancer = rig.balancer([endpointAt(await rig.provider())]);
      expect(() => instrument(balancer, options as never)).toThrow(
        /instrument\.|options: expected an object/,
      );
    },
  );
});
