import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type ActiveCall,
  type ArrivingCall,
  type ProviderBehavior,
  type Random,
  rateLimitHeaders,
} from '../behavior';
import { ChatAnswer } from './chat-answer';
import { type Reply, readChatRequest } from './chat-request';
import { deliverStream, deliverWhole } from './deliver-answer';
import { embeddingsAnswer, readEmbeddingsRequest } from './embeddings';
import { apiKeyOf, Exchange, newId } from './exchange';
import { realTime } from './real-time';
import { type JsonObject, readJson } from './request-body';
import { fingerprint, type RequestLog } from './request-log';
import { BadRequest, sendBadRequest, sendErrorPlan, sendJson } from './wire';

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

type Headers = Record<string, string>;

/** The OpenAI API of one simulated provider. */
export class Api {
  readonly #options: ApiOptions;
  readonly #startedAt = Math.floor(Date.now() / 1000);

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  async handle(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
    const headers: Headers = { 'x-request-id': newId('req_'), 'openai-version': '2020-10-01' };
    const { keys } = this.#options;
    try {
      if (keys && !keys.has(apiKeyOf(req))) {
        this.#record(req, path);
        const message =
          apiKeyOf(req) === '' ? "You didn't provide an API key." : 'Incorrect API key provided.';
        throw new BadRequest(message, { status: 401, code: 'invalid_api_key' });
      }
      const route = `${req.method ?? 'GET'} ${path}`;
      if (route === 'POST /v1/chat/completions') await this.#chat(req, res, path, headers);
      else if (route === 'POST /v1/embeddings') await this.#embeddings(req, res, path, headers);
      else if (req.method === 'GET' && /^\/v1\/models(\/|$)/.test(path))
        this.#models(req, res, path, headers);
      else throw new BadRequest(`Unknown request URL: ${route}.`, { status: 404, code: 'unknown_url' });
    } catch (error) {
      if (error instanceof BadRequest) sendBadRequest(res, error, headers);
      // Any other error means that the client disconnected while it sent its request, so nothing is answered.
      else res.destroy();
    }
  }

  async #chat(req: IncomingMessage, res: ServerResponse, path: string, headers: Headers): Promise<void> {
    const body = await this.#read(req, path);
    const request = readChatRequest(body, req.headers, this.#options.random, this.#options.reply);
    const { model, promptTokens, maxTokens, outputTokens } = request;
    const call: ArrivingCall = { model, key: keyOf(req), promptTokens, outputTokens };
    if (maxTokens !== undefined) call.maxTokens = maxTokens;
    const activeCall = this.#admit(call, headers);
    const { plan } = activeCall;
    const exchange = this.#exchange(res, activeCall);
    if (plan.kind !== 'answer') {
      this.#fail(exchange, activeCall, headers);
      return;
    }
    headers['openai-processing-ms'] = String(Math.round(request.stream ? plan.firstTokenMs : plan.totalMs));
    const answer = new ChatAnswer(request, plan, newId('chatcmpl-'), Math.floor(Date.now() / 1000));
    (request.stream ? deliverStream : deliverWhole)(exchange, plan, answer, headers);
  }

  async #embeddings(
    req: IncomingMessage,
    res: ServerResponse,
    path: string,
    headers: Headers,
  ): Promise<void> {
    const body = await this.#read(req, path);
    const request = readEmbeddingsRequest(body, req.headers);
    const { model, promptTokens } = request;
    const activeCall = this.#admit(
      { model, key: keyOf(req), promptTokens, maxTokens: 0, outputTokens: 0 },
      headers,
    );
    const { plan } = activeCall;
    const exchange = this.#exchange(res, activeCall);
    if (plan.kind !== 'answer') {
      this.#fail(exchange, activeCall, headers);
      return;
    }
    headers['openai-processing-ms'] = String(Math.round(plan.totalMs));
    const whole = { whole: () => embeddingsAnswer(request) };
    deliverWhole(exchange, plan, whole, headers);
  }

  #models(req: IncomingMessage, res: ServerResponse, path: string, headers: Headers): void {
    this.#record(req, path);
    const list = this.#options.behavior.models.map((id) => ({
      id,
      object: 'model',
      created: this.#startedAt,
      owned_by: 'simulator',
    }));
    if (path === '/v1/models') {
      sendJson(res, 200, { object: 'list', data: list }, headers);
      return;
    }
    const wanted = decodeURIComponent(path.slice('/v1/models/'.length));
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

  #admit(call: ArrivingCall, headers: Headers): ActiveCall {
    const activeCall = this.#options.behavior.admit(call, realTime.now());
    if ('limits' in activeCall.plan) Object.assign(headers, rateLimitHeaders(activeCall.plan.limits));
    return activeCall;
  }

  #exchange(res: ServerResponse, activeCall: ActiveCall): Exchange {
    return new Exchange(res, this.#options.behavior, activeCall, this.#options.timeScale);
  }

  #fail(exchange: Exchange, { plan }: ActiveCall, headers: Headers): void {
    if (plan.kind === 'reset') exchange.destroy();
    if (plan.kind !== 'error') return;
    exchange.schedule(plan.afterMs, () => {
      exchange.finish();
      sendErrorPlan(exchange.res, plan, headers);
    });
  }

  async #read(req: IncomingMessage, path: string): Promise<JsonObject> {
    const body = await readJson(req);
    this.#record(req, path, body);
    return body;
  }

  #record(req: IncomingMessage, path: string, body?: JsonObject): void {
    const { log, recordBodies } = this.#options;
    log.add({
      at: Date.now(),
      method: req.method ?? 'GET',
      path,
      ...(typeof body?.model === 'string' && { model: body.model }),
      ...(body && { stream: body.stream === true }),
      headers: req.headers,
      ...(recordBodies && { body }),
    });
  }
}

function keyOf(req: IncomingMessage): string {
  const key = apiKeyOf(req);
  return key === '' ? '' : fingerprint(key);
}
