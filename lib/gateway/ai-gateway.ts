import { type ErrorRequestHandler, type Request, type RequestHandler, type Response, Router } from 'express';
import type { ApiReply, ApiRequest } from '../api/api-request';
import { toClientError } from '../api/errors';
import { errorHeaders } from '../api/headers';
import { readOptionHeaders } from '../api/option-headers';
import { serveApi } from '../api/serve-api';
import type { Balancer } from '../balancer/balancer';
import { INTERNALS } from '../balancer/internals';
import { requestState } from '../balancer/request-ai';
import { TenantGuard } from '../balancer/tenant-guard';
import { SseResponse } from '../stream/sse/sse-response';
import { toError } from '../util/app-function';
import { authenticateRequest } from './authenticate';
import { type AiGatewayOptions, checkGatewayOptions } from './options';
import { bodyReader, type ReadBody } from './request-body';

export type { AiGatewayOptions } from './options';

/** Interval without an event after which a keep-alive comment is sent, in milliseconds. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Serves an OpenAI-compatible API over the balancer: chat completions, responses, embeddings and models. It parses
 * bodies itself if the app has not. When a client disconnects, its call is aborted at the provider.
 *
 * @example app.use('/v1', aiGateway(balancer, { authenticate: (req) => tenants.get(req.get('authorization') ?? '') }))
 *
 * @returns A router that answers every path below its mount point: unknown paths with 404.
 * @throws ERR_AI_CONFIG that lists every fault of the options; `authenticate` is required.
 */
export function aiGateway(balancer: Balancer, options: AiGatewayOptions): Router {
  const { authenticate, allowHeaders, maxBodyBytes, headerDelayMs } = checkGatewayOptions(balancer, options);
  const guard = options.guard && TenantGuard.from(balancer, options.guard);
  const readBody = bodyReader(maxBodyBytes);
  const onStreamFailure = (error: unknown): void => balancer[INTERNALS].reportPipeFailure(error);

  const serve = async (req: Request, res: Response): Promise<void> => {
    const state = requestState(req, balancer);
    guard?.guardRequest(req, res);
    state.bindToResponse(res);
    res.setHeader('x-request-id', state.context.requestId);
    const identity = await authenticateRequest(req, authenticate, balancer[INTERNALS].appTimeoutMs);
    state.applyHeaders(readOptionHeaders((name) => req.headers[name], allowHeaders));
    state.overrideContext(identity);
    const parts = { calls: state.calls(), models: balancer, headerDelayMs, onStreamFailure };
    await serveApi(parts, apiRequest(req, res, readBody), apiReply(res));
  };

  const router = Router();
  const gateway: RequestHandler = (req, res, next) =>
    // Passes a rejection to `next`, because Express 4 does not handle rejected promises.
    void serve(req, res).catch((reason: unknown) => next(toError(reason, 'aiGateway')));
  router.use(gateway);
  router.use(gatewayErrorHandler);
  return router;
}

function apiRequest(req: Request, res: Response, readBody: ReadBody): ApiRequest {
  const { method, path, baseUrl } = req;
  return { method, path, fullPath: baseUrl + path, readBody: () => readBody(req, res) };
}

function apiReply(res: Response): ApiReply {
  return {
    setHeader: (name, value) => void res.setHeader(name, value),
    sendJson: (status, headers, body) => sendJson(res, status, headers, body),
    openEvents: () => new SseResponse(res, KEEP_ALIVE_MS),
  };
}

/** Sends errors in OpenAI's format. Errors thrown by the app's own functions are passed to the app's error handler. */
const gatewayErrorHandler: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  const clientError = toClientError(error);
  if (!clientError || res.headersSent) next(error);
  else sendJson(res, clientError.status, errorHeaders(clientError), clientError.toBody());
};

function sendJson(res: Response, status: number, headers: Readonly<Record<string, string>>, body: unknown) {
  const text = JSON.stringify(body);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.statusCode = status;
  res.setHeader('content-type', 'application/json; charset=utf-8');
  res.setHeader('content-length', Buffer.byteLength(text));
  res.end(text);
}
