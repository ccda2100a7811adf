import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Balancer } from '../balancer/balancer';
import type { AICall } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody } from '../call/body';
import type { RequestContext } from '../call/context';
import { AiBalancerError } from '../errors';
import type { ChatStream } from '../stream/chat-stream';
import { pipeChatStream } from '../stream/pipe-chat-stream';
import { authenticateRequest } from './authenticate';
import { gatewayErrorHandler, methodNotAllowedError, sendJson, unknownUrlError } from './error-handler';
import { errorHeaders, routeHeaders } from './headers';
import { findModel, listModels } from './models';
import type { GatewayOptions } from './options';
import { bodyReader } from './request-body';
import { withoutRestarts } from './without-restarts';

/** The balanced AI of one request, live and tied to its response. */
export interface GatewayRequest {
  readonly requestId: string;
  /** Lays what is known of the caller over the request's context. */
  overrideContext(context: Partial<RequestContext>): void;
  chat(body: ChatBody): AICall<ChatCompletion | ChatStream>;
  embeddings(body: EmbeddingBody): AICall<EmbeddingResponse>;
}

export type OpenRequest = (req: Request, res: Response) => GatewayRequest;
type GatewayHandler = (visit: GatewayRequest, req: Request, res: Response) => void | Promise<void>;

/** OpenAI's API over one balancer. The options have been checked. */
export function gatewayRouter(
  balancer: Balancer,
  options: Required<GatewayOptions>,
  openRequest: OpenRequest,
): Router {
  const { authenticate, maxBodyBytes, headerDelayMs } = options;
  const readBody = bodyReader(maxBodyBytes);

  const withRequest = (handle: GatewayHandler): RequestHandler => {
    const serve = async (req: Request, res: Response): Promise<void> => {
      const request = openRequest(req, res);
      res.setHeader('x-request-id', request.requestId);
      request.overrideContext(await authenticateRequest(req, authenticate));
      await handle(request, req, res);
    };
    // Express 4 does not catch a rejection.
    return (req, res, next) => void serve(req, res).catch(next);
  };

  const router = Router();
  router
    .route('/chat/completions')
    .post(
      withRequest(async (visit, req, res) => {
        const body = (await readBody(req, res)) as ChatBody;
        const call = visit.chat(body);
        if ((body as ChatBody | undefined)?.stream === true) {
          await sendStream(res, call as AICall<ChatStream>, headerDelayMs);
        } else await sendWhole(res, call);
      }),
    )
    .all(withRequest(methodNotAllowed('POST')));
  router
    .route('/embeddings')
    .post(
      withRequest(async (visit, req, res) => {
        await sendWhole(res, visit.embeddings((await readBody(req, res)) as EmbeddingBody));
      }),
    )
    .all(withRequest(methodNotAllowed('POST')));
  router
    .route('/models')
    .get(
      withRequest((_visit, _req, res) => sendJson(res, 200, { object: 'list', data: listModels(balancer) })),
    )
    .all(withRequest(methodNotAllowed('GET')));
  router
    .route('/models/:id')
    .get(withRequest((_visit, req, res) => sendJson(res, 200, findModel(balancer, String(req.params.id)))))
    .all(withRequest(methodNotAllowed('GET')));
  router.use(
    withRequest((_visit, req) => {
      throw unknownUrlError(req);
    }),
  );
  router.use(gatewayErrorHandler);
  return router;
}

function methodNotAllowed(allowed: string): GatewayHandler {
  return (_visit, req, res) => {
    res.setHeader('allow', allowed);
    throw methodNotAllowedError(req, allowed);
  };
}

async function sendWhole<T>(res: Response, call: AICall<T>): Promise<void> {
  const { data, route } = await call.withRoute();
  for (const [name, value] of Object.entries(routeHeaders(route))) res.setHeader(name, value);
  sendJson(res, 200, data);
}

async function sendStream(res: Response, call: AICall<ChatStream>, headerDelayMs: number): Promise<void> {
  const started = call.then(withoutRestarts);
  if (headerDelayMs === Infinity) await started;
  await pipeChatStream(res, started, {
    headerDelayMs,
    headers: (stream) => (stream ? routeHeaders(stream.route) : {}),
    toHeaders: (error) => (AiBalancerError.isInstance(error) ? errorHeaders(error) : {}),
  });
}
