import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Balancer } from '../balancer/balancer';
import { INTERNALS } from '../balancer/internals';
import { type RequestState, requestState } from '../balancer/request-ai';
import { TenantGuard } from '../balancer/tenant-guard';
import type { AICall } from '../call/ai-call';
import type { ChatBody, EmbeddingBody } from '../call/body';
import { AiBalancerError } from '../errors';
import type { ChatStream } from '../stream/chat-stream';
import { pipeChatStream } from '../stream/pipe-chat-stream';
import { toError } from '../util/app-function';
import { authenticateRequest } from './authenticate';
import { gatewayErrorHandler, methodNotAllowedError, sendJson, unknownUrlError } from './error-handler';
import { errorHeaders, routeHeaders } from './headers';
import { findModel, listModels } from './models';
import { type AiGatewayOptions, checkGatewayOptions } from './options';
import { bodyReader } from './request-body';

export type { AiGatewayOptions } from './options';

type GatewayHandler = (state: RequestState, req: Request, res: Response) => void | Promise<void>;

/**
 * An OpenAI-compatible API over the balancer: chat completions (whole and streamed), embeddings and models. It parses
 * bodies itself where the app has not. When a client disconnects, its call is aborted at the provider.
 *
 * @example app.use('/v1', aiGateway(balancer, { authenticate: (req) => tenants.get(req.get('authorization') ?? '') }))
 *
 * @returns A router that answers every path below its mount point: unknown paths with 404.
 * @throws ERR_AI_CONFIG that lists every fault of the options; `authenticate` is required.
 */
export function aiGateway(balancer: Balancer, options: AiGatewayOptions): Router {
  const { authenticate, maxBodyBytes, headerDelayMs } = checkGatewayOptions(balancer, options);
  const guard = options.guard && TenantGuard.from(balancer, options.guard);
  const readBody = bodyReader(maxBodyBytes);

  const withRequest = (handle: GatewayHandler): RequestHandler => {
    const run = async (req: Request, res: Response): Promise<void> => {
      const state = requestState(req, balancer);
      guard?.guardRequest(req, res);
      state.bindToResponse(res);
      // OpenAI's clients do not know restarts: they would join the two answers.
      state.forbidRestarts();
      res.setHeader('x-request-id', state.context.requestId);
      const { appTimeoutMs } = balancer[INTERNALS];
      state.overrideContext(await authenticateRequest(req, authenticate, appTimeoutMs));
      await handle(state, req, res);
    };
    // Express 4 does not handle a rejected promise.
    return (req, res, next) =>
      void run(req, res).catch((reason: unknown) => next(toError(reason, 'aiGateway')));
  };

  const router = Router();
  const serve = (path: string, method: 'get' | 'post', handle: GatewayHandler): void => {
    const refuse = methodNotAllowed(method.toUpperCase());
    router.route(path)[method](withRequest(handle)).all(withRequest(refuse));
  };
  serve('/chat/completions', 'post', async ({ ai }, req, res) => {
    const body = (await readBody(req, res)) as ChatBody;
    const call = ai.chat(body);
    if ((body as ChatBody | undefined)?.stream === true) {
      await sendStream(res, call as AICall<ChatStream>, headerDelayMs, (error) =>
        balancer[INTERNALS].reportPipeFailure(error),
      );
    } else await sendWhole(res, call);
  });
  serve('/embeddings', 'post', async ({ ai }, req, res) => {
    await sendWhole(res, ai.embeddings((await readBody(req, res)) as EmbeddingBody));
  });
  serve('/models', 'get', (_state, _req, res) =>
    sendJson(res, 200, { object: 'list', data: listModels(balancer) }),
  );
  serve('/models/:id', 'get', (_state, req, res) =>
    sendJson(res, 200, findModel(balancer, String(req.params.id))),
  );
  router.use(
    withRequest((_state, req) => {
      throw unknownUrlError(req);
    }),
  );
  router.use(gatewayErrorHandler);
  return router;
}

function methodNotAllowed(allowed: string): GatewayHandler {
  return (_state, req, res) => {
    res.setHeader('allow', allowed);
    throw methodNotAllowedError(req, allowed);
  };
}

async function sendWhole<T>(res: Response, call: AICall<T>): Promise<void> {
  const { data, route } = await call.withRoute();
  for (const [name, value] of Object.entries(routeHeaders(route))) res.setHeader(name, value);
  sendJson(res, 200, data);
}

async function sendStream(
  res: Response,
  call: AICall<ChatStream>,
  headerDelayMs: number,
  onFailure: (error: unknown) => void,
): Promise<void> {
  if (headerDelayMs === Infinity) await call;
  await pipeChatStream(res, call, {
    headerDelayMs,
    onFailure,
    headers: (stream) => (stream ? routeHeaders(stream.route) : {}),
    toHeaders: (error) => (AiBalancerError.isInstance(error) ? errorHeaders(error) : {}),
  });
}
