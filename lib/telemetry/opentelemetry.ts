import type * as otel from '@opentelemetry/api';
import { name as PACKAGE, version } from '../../package.json';
import type { Balancer } from '../balancer/balancer';
import type { CallObserver } from '../balancer/call-observer';
import { checkOptions } from '../balancer/check-options';
import type { AttemptEvent, CallEvent } from '../balancer/events';
import { INTERNALS } from '../balancer/internals';
import type { TracedAnswer } from '../balancer/traced-answer';
import type { Call } from '../call/call';
import { type Fault, faultAt } from '../config/config-errors';
import { BoundedMap } from '../util/bounded-map';
import { isObject } from '../util/is-object';
import { ATTRIBUTES, BODY_ATTRIBUTES, genAiProvider, HISTOGRAMS } from './genai-names';
import { loadPeer, requirePeer } from './optional-peer';

/** A tracer of @opentelemetry/api. */
export interface TracerLike {
  /** Starts a span. */
  startSpan(name: string, options?: object, context?: never): unknown;
}

/** A meter of @opentelemetry/api. */
export interface MeterLike {
  /** Creates a histogram. */
  createHistogram(name: string, options?: object): unknown;
}

/** Options of {@link instrument}. */
export interface InstrumentOptions {
  /** The tracer that starts the spans. Default: the global tracer 'express-ai-balancer', with the package's version. */
  readonly tracer?: TracerLike | undefined;
  /** The meter that creates the histograms. Default: the global meter 'express-ai-balancer', with the package's version. */
  readonly meter?: MeterLike | undefined;
}

type Api = typeof otel;
type Span = otel.Span;
type Context = otel.Context;
type Attributes = Record<string, string | number | boolean | string[]>;

// Copies of the API's enum values, because its package is loaded only if it is installed.
/* eslint-disable @typescript-eslint/no-unsafe-enum-assignment -- numbers are what the enums are */
const SPAN_KIND = { internal: 0 as otel.SpanKind, client: 2 as otel.SpanKind };
const STATUS_ERROR = 2 as otel.SpanStatusCode;
/* eslint-enable @typescript-eslint/no-unsafe-enum-assignment */

/**
 * Traces and measures calls according to OpenTelemetry's conventions for generative AI: one client span per call, with
 * its attempts as children. The span is active while its call runs, so that spans of HTTP clients become its children.
 * Prompts and answers are not recorded. See docs/observability.md. Needs the package @opentelemetry/api, and an SDK to
 * have an effect.
 *
 * @example const stop = instrument(balancer)
 *
 * @returns A function that stops the instrumentation: calls that start afterwards are not traced.
 * @throws ERR_AI_CONFIG if @opentelemetry/api is needed and not installed, or an option is invalid.
 */
export function instrument(balancer: Balancer, options: InstrumentOptions = {}): () => void {
  checkOptions('instrument', balancer, instrumentFaults(options));
  const isComplete = options.tracer !== undefined && options.meter !== undefined;
  const load = isComplete ? loadPeer('@opentelemetry/api') : requirePeer('@opentelemetry/api', 'instrument');
  const api = load as Api | undefined;
  const tracer = (options.tracer ?? api?.trace.getTracer(PACKAGE, version)) as otel.Tracer;
  const meter = (options.meter ?? api?.metrics.getMeter(PACKAGE, version)) as otel.Meter;
  const isTraced = options.tracer || !api ? () => true : hasTracerProvider(api);
  return balancer[INTERNALS].observe(new CallTracer(balancer, api, tracer, meter, isTraced));
}

/**
 * Returns a function that says whether an SDK has registered a tracer provider, which may happen after instrument().
 * Without one, spans are no-ops.
 */
function hasTracerProvider({ trace }: Api): () => boolean {
  let found = false;
  return () => {
    if (found) return true;
    // This is the API's proxy, which delegates to the registered provider.
    const provider = trace.getTracerProvider() as otel.TracerProvider & {
      getDelegateTracer?(name: string): unknown;
    };
    found = !provider.getDelegateTracer || provider.getDelegateTracer(PACKAGE) !== undefined;
    return found;
  };
}

function instrumentFaults(options: unknown): Fault[] {
  if (!isObject(options)) return [faultAt({ options }, ['options'], 'an object')];
  const faults: Fault[] = [];
  const { tracer, meter } = options;
  if (tracer !== undefined && !(isObject(tracer) && typeof tracer.startSpan === 'function'))
    faults.push(faultAt(options, ['tracer'], 'a Tracer of @opentelemetry/api'));
  if (meter !== undefined && !(isObject(meter) && typeof meter.createHistogram === 'function'))
    faults.push(faultAt(options, ['meter'], 'a Meter of @opentelemetry/api'));
  for (const name of Object.keys(options))
    if (name !== 'tracer' && name !== 'meter') faults.push(faultAt(options, [name], 'tracer or meter'));
  return faults;
}

const BODY_FIELDS = Object.entries(BODY_ATTRIBUTES);
/** Maximum number of hosts whose attributes are cached. */
const MAX_SERVERS = 1_000;

/** The span of a running call, and the context in which its attempts are its children. */
interface CallSpan {
  readonly span: Span;
  readonly context: Context | undefined;
}

class CallTracer implements CallObserver {
  readonly #balancer: Balancer;
  readonly #api: Api | undefined;
  readonly #tracer: otel.Tracer;
  readonly #isTraced: () => boolean;
  /** Undefined if no SDK for metrics was set up. */
  readonly #histograms: Record<keyof typeof HISTOGRAMS, otel.Histogram> | undefined;
  readonly #servers = new BoundedMap<string, Attributes>(MAX_SERVERS);
  /** Spans by the context of their call, since a continued stream is another call object with the same context. */
  readonly #spans = new WeakMap<Call['context'], CallSpan>();

  constructor(
    balancer: Balancer,
    api: Api | undefined,
    tracer: otel.Tracer,
    meter: otel.Meter,
    isTraced: () => boolean,
  ) {
    this.#balancer = balancer;
    this.#api = api;
    this.#tracer = tracer;
    this.#isTraced = isTraced;
    const create = (name: keyof typeof HISTOGRAMS): otel.Histogram => {
      const { unit, description, boundaries } = HISTOGRAMS[name];
      const advice = { explicitBucketBoundaries: [...boundaries] };
      return meter.createHistogram(name, { unit, description, advice });
    };
    const duration = create('gen_ai.client.operation.duration');
    // Records nothing without an SDK for metrics. The API then returns the same no-op histogram each time.
    if (duration === api?.createNoopMeter().createHistogram('')) return;
    this.#histograms = {
      'gen_ai.client.operation.duration': duration,
      'gen_ai.client.operation.time_to_first_chunk': create('gen_ai.client.operation.time_to_first_chunk'),
      'gen_ai.client.token.usage': create('gen_ai.client.token.usage'),
    };
  }

  isActive(): boolean {
    return this.#histograms !== undefined || this.#isTraced();
  }

  started(call: Call, proceed: () => void): void {
    if (!this.#isTraced()) {
      proceed();
      return;
    }
    const { operation, model = 'auto', context } = call;
    const span = this.#tracer.startSpan(`${operation} ${model}`, {
      kind: SPAN_KIND.client,
      attributes: requestAttributes(call),
    });
    const active = this.#api?.trace.setSpan(this.#api.context.active(), span);
    // Spans that are not recorded, because they are not sampled or there is no SDK, are ended immediately.
    if (span.isRecording()) this.#spans.set(context, { span, context: active });
    else span.end();
    if (this.#api && active) this.#api.context.with(active, proceed);
    else proceed();
  }

  attempted({ context }: Call, attempt: AttemptEvent): void {
    const parent = this.#spans.get(context);
    if (!parent) return;
    const { endpoint, model, provider, class: failure, status, code, ms, hedge, brokeOff } = attempt;
    if (brokeOff) {
      parent.span.addEvent('stream broke off', {
        [ATTRIBUTES.endpoint]: endpoint,
        [ATTRIBUTES.errorType]: failure ?? '',
      });
      return;
    }
    const end = Date.now();
    const attributes: Attributes = {
      [ATTRIBUTES.endpoint]: endpoint,
      [ATTRIBUTES.provider]: genAiProvider(provider),
      [ATTRIBUTES.requestModel]: model,
      ...this.#serverOf(endpoint),
      ...(failure === undefined ? {} : { [ATTRIBUTES.errorType]: failure }),
      ...(status === undefined ? {} : { [ATTRIBUTES.httpStatus]: status }),
      ...(code === undefined ? {} : { [ATTRIBUTES.errorCode]: code }),
      ...(hedge ? { [ATTRIBUTES.hedge]: true } : {}),
    };
    const options = { kind: SPAN_KIND.internal, startTime: new Date(end - ms), attributes };
    const span = this.#tracer.startSpan(`attempt ${endpoint}`, options, parent.context);
    if (failure !== undefined && failure !== 'aborted')
      span.setStatus({ code: STATUS_ERROR, message: failure });
    span.end(new Date(end));
  }

  ended({ context }: Call, event: CallEvent, facts?: TracedAnswer): void {
    const call = this.#spans.get(context);
    if (!this.#histograms && !call) return;
    const { failed, code, ms, firstTokenMs, tokens } = event;
    const errorType = failed ? (code ?? '_OTHER') : undefined;
    const shared: Attributes = {
      [ATTRIBUTES.operation]: event.operation,
      ...(event.provider === '' ? {} : { [ATTRIBUTES.provider]: genAiProvider(event.provider) }),
      ...(event.requestedModel === undefined ? {} : { [ATTRIBUTES.requestModel]: event.requestedModel }),
      ...(event.model === '' ? {} : { [ATTRIBUTES.responseModel]: event.model }),
      ...this.#serverOf(event.endpoint),
      ...(errorType === undefined ? {} : { [ATTRIBUTES.errorType]: errorType }),
    };
    if (call) endSpan(call.span, event, shared, facts);
    if (!this.#histograms) return;
    this.#histograms['gen_ai.client.operation.duration'].record(ms / 1_000, shared);
    if (firstTokenMs !== undefined)
      this.#histograms['gen_ai.client.operation.time_to_first_chunk'].record(firstTokenMs / 1_000, shared);
    if (!tokens) return;
    const usage = this.#histograms['gen_ai.client.token.usage'];
    usage.record(tokens.input, { ...shared, [ATTRIBUTES.tokenType]: 'input' });
    usage.record(tokens.output, { ...shared, [ATTRIBUTES.tokenType]: 'output' });
  }

  #serverOf(endpoint: string): Attributes {
    const url = endpoint === '' ? undefined : this.#balancer[INTERNALS].baseURLOf(endpoint);
    if (url === undefined) return {};
    const known = this.#servers.get(url);
    if (known) return known;
    const server = serverAttributes(url);
    this.#servers.set(url, server);
    return server;
  }
}

function serverAttributes(url: string): Attributes {
  const { hostname, port, protocol } = new URL(url);
  const defaultPort = protocol === 'https:' ? 443 : 80;
  return {
    [ATTRIBUTES.serverAddress]: hostname,
    [ATTRIBUTES.serverPort]: port === '' ? defaultPort : Number(port),
  };
}

function endSpan(span: Span, event: CallEvent, shared: Attributes, facts: TracedAnswer | undefined): void {
  const { endpoint, tokens, firstTokenMs, costUsd, code, failed, route } = event;
  const { prompt_tokens_details: prompt, completion_tokens_details: completion } = route?.usage ?? {};
  const { cached_tokens: cached } = prompt ?? {};
  const { reasoning_tokens: reasoning } = completion ?? {};
  span.setAttributes({
    ...shared,
    ...(endpoint === '' ? {} : { [ATTRIBUTES.endpoint]: endpoint }),
    ...(tokens ? { [ATTRIBUTES.inputTokens]: tokens.input, [ATTRIBUTES.outputTokens]: tokens.output } : {}),
    ...(cached === undefined ? {} : { [ATTRIBUTES.cachedTokens]: cached }),
    ...(reasoning === undefined ? {} : { [ATTRIBUTES.reasoningTokens]: reasoning }),
    ...(facts?.id === undefined ? {} : { [ATTRIBUTES.responseId]: facts.id }),
    ...(facts?.finishReasons.length ? { [ATTRIBUTES.finishReasons]: facts.finishReasons } : {}),
    ...(firstTokenMs === undefined ? {} : { [ATTRIBUTES.firstChunk]: firstTokenMs / 1_000 }),
    ...(costUsd === undefined ? {} : { [ATTRIBUTES.costUsd]: costUsd }),
    [ATTRIBUTES.attempts]: event.attempts,
    [ATTRIBUTES.waitMs]: event.waitMs,
    [ATTRIBUTES.wastedTokens]: event.wastedTokens,
  });
  // A call that its caller has aborted is not an error.
  if (failed && code !== 'ERR_AI_ABORTED') span.setStatus({ code: STATUS_ERROR, message: code ?? 'error' });
  span.end();
}

function requestAttributes({ operation, model, stream, body, context }: Call): Attributes {
  const attributes: Attributes = {
    [ATTRIBUTES.operation]: operation,
    [ATTRIBUTES.requestId]: context.requestId,
    ...(model === undefined ? {} : { [ATTRIBUTES.requestModel]: model }),
    ...(stream ? { [ATTRIBUTES.stream]: true } : {}),
  };
  const fields = body as unknown as Record<string, unknown>;
  for (const [field, attribute] of BODY_FIELDS) {
    const value = fields[field];
    if (typeof value === 'number') attributes[attribute] = value;
  }
  return attributes;
}
