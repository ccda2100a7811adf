import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ActiveCall, ArrivingCall, ErrorPlan, ProviderBehavior, Random } from '../behavior';
import type { ApiError, Format, Headers, RequestHead } from '../formats/format';
import { type Route, routeOf } from '../formats/routes';
import { ChatAnswer } from './chat-answer';
import { type Reply, readChatRequest } from './chat-request';
import { deliverStream, deliverWhole } from './deliver-answer';
import { readEmbeddingsRequest } from './embeddings';
import { Exchange, newId } from './exchange';
import { realTime } from './real-time';
import { type JsonObject, readJson } from './request-body';
import { fingerprint, type RequestLog } from './request-log';
import { BadRequest, sendJson } from './wire';

export interface ApiOptions {
  behavior: ProviderBehavior;
  log: RequestLog;
  random: Random;
  timeScale: number;
  /** Accepted API keys; undefined accepts any key, or none. */
  keys: ReadonlySet<string> | undefined;
  recordBodies: boolean;
  reply: Reply | undefined;
}

/** One request on its way: what it asks for, and the headers of its answer. */
interface Incoming {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly path: string;
  readonly route: Route;
  readonly format: Format;
  readonly head: RequestHead;
  readonly headers: Headers;
}

/** The API of one simulated provider, in the formats of `formats/routes.ts`. */
export class Api {
  readonly #options: ApiOptions;
  readonly #startedAt = Math.floor(Date.now() / 1000);

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  async handle(req: IncomingMessage, res: ServerResponse, path: string, query: string): Promise<void> {
    const route = routeOf(req.method ?? 'GET', path);
    const { format, model, method } = route;
    const head: RequestHead = {
      headers: req.headers,
      query: new URLSearchParams(query),
      ...(model !== undefined && { model }),
      ...(method !== undefined && { method }),
    };
    const incoming: Incoming = { req, res, path, route, format, head, headers: format.headers() };
    try {
      this.#checkKey(incoming);
      if (route.operation === 'chat') await this.#chat(incoming);
      else if (route.operation === 'embeddings') await this.#embeddings(incoming);
      else if (route.operation === 'models') this.#models(incoming);
      else throw unknownPath(req, path);
    } catch (error) {
      if (error instanceof BadRequest) sendError(incoming, error);
      // Any other error means that the client disconnected while it sent its request, so nothing is answered.
      else res.destroy();
    }
  }

  #checkKey(incoming: Incoming): void {
    const { keys } = this.#options;
    const key = incoming.format.keyOf(incoming.head);
    if (!keys || keys.has(key)) return;
    this.#record(incoming);
    throw new BadRequest(key === '' ? "You didn't provide an API key." : 'Incorrect API key provided.', {
      status: 401,
      code: 'invalid_api_key',
      reason: 'unauthorized',
    });
  }

  async #chat(incoming: Incoming): Promise<void> {
    const { format, head, headers } = incoming;
    const { random, reply } = this.#options;
    const sent = await this.#read(incoming);
    const body = { ...format.chatBody(sent, head), stream: format.isStream(sent, head) };
    const request = readChatRequest(body, head.headers, random, reply);
    const { model, promptTokens, maxTokens, outputTokens, stream } = request;
    const call: ArrivingCall = { model, key: limitKeyOf(incoming), promptTokens, outputTokens };
    if (maxTokens !== undefined) call.maxTokens = maxTokens;
    const activeCall = this.#admit(call, incoming);
    const { plan } = activeCall;
    const exchange = this.#exchange(incoming, activeCall);
    if (plan.kind !== 'answer') {
      this.#fail(exchange, activeCall, incoming);
      return;
    }
    addProcessingTime(incoming, stream ? plan.firstTokenMs : plan.totalMs);
    const chatAnswer = new ChatAnswer(request, plan, newId(''), Math.floor(Date.now() / 1000));
    const delivery = { plan, answer: format.chat(chatAnswer), format, headers };
    (stream ? deliverStream : deliverWhole)(exchange, delivery);
  }

  async #embeddings(incoming: Incoming): Promise<void> {
    const { format, head, headers } = incoming;
    const { embeddings } = format;
    if (!embeddings) throw unknownPath(incoming.req, incoming.path);
    const body = embeddings.body(await this.#read(incoming), head);
    const request = readEmbeddingsRequest(body, head.headers);
    const { model, promptTokens } = request;
    const activeCall = this.#admit(
      { model, key: limitKeyOf(incoming), promptTokens, maxTokens: 0, outputTokens: 0 },
      incoming,
    );
    const { plan } = activeCall;
    const exchange = this.#exchange(incoming, activeCall);
    if (plan.kind !== 'answer') {
      this.#fail(exchange, activeCall, incoming);
      return;
    }
    addProcessingTime(incoming, plan.totalMs);
    deliverWhole(exchange, { plan, answer: embeddings.answer(request, head), format, headers });
  }

  #models(incoming: Incoming): void {
    const { res, headers, head } = incoming;
    this.#record(incoming);
    const list = this.#options.behavior.models.map((id) => ({
      id,
      object: 'model',
      created: this.#startedAt,
      owned_by: 'simulator',
    }));
    const wanted = head.model;
    if (wanted === undefined) {
      sendJson(res, 200, { object: 'list', data: list }, headers);
      return;
    }
    const found = list.find(({ id }) => id === wanted);
    if (found) {
      sendJson(res, 200, found, headers);
      return;
    }
    throw new BadRequest(`The model '${wanted}' does not exist`, {
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
  }

  #admit(call: ArrivingCall, { format, headers }: Incoming): ActiveCall {
    const activeCall = this.#options.behavior.admit(call, realTime.now());
    if ('limits' in activeCall.plan) Object.assign(headers, format.limits(activeCall.plan.limits));
    return activeCall;
  }

  #exchange({ res }: Incoming, activeCall: ActiveCall): Exchange {
    return new Exchange(res, this.#options.behavior, activeCall, this.#options.timeScale);
  }

  #fail(exchange: Exchange, { plan, call }: ActiveCall, incoming: Incoming): void {
    if (plan.kind === 'reset') exchange.destroy();
    if (plan.kind !== 'error') return;
    exchange.schedule(plan.afterMs, () => {
      exchange.finish();
      sendError(incoming, plan, call.model, plan.headers);
    });
  }

  async #read(incoming: Incoming): Promise<JsonObject> {
    const body = await readJson(incoming.req);
    this.#record(incoming, body);
    return body;
  }

  #record({ req, path, head, format }: Incoming, body?: JsonObject): void {
    const { log, recordBodies } = this.#options;
    const model = head.model ?? body?.model;
    log.add({
      at: Date.now(),
      method: req.method ?? 'GET',
      path,
      ...(body && typeof model === 'string' && { model }),
      ...(body && { stream: format.isStream(body, head) }),
      headers: req.headers,
      ...(recordBodies && { body }),
    });
  }
}

function limitKeyOf({ format, head }: Incoming): string {
  const key = format.keyOf(head);
  return key === '' ? '' : fingerprint(key);
}

function addProcessingTime({ format, headers }: Incoming, ms: number): void {
  if (format.processingHeader !== undefined) headers[format.processingHeader] = String(Math.round(ms));
}

function unknownPath(req: IncomingMessage, path: string): BadRequest {
  return new BadRequest(`Unknown request URL: ${req.method ?? 'GET'} ${path}.`, {
    status: 404,
    code: 'unknown_url',
  });
}

function sendError(
  { res, format, headers }: Incoming,
  error: ApiError,
  model = '',
  further: ErrorPlan['headers'] = {},
): void {
  const { status, body } = format.error(error, { model, headers });
  const all = { ...headers, ...further };
  if (error.retryAfterS !== undefined && !format.retryTimeInBody)
    all['retry-after'] = String(error.retryAfterS);
  sendJson(res, status, body, all);
}
