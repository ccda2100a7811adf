import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Balancer } from '../balancer/balancer';
import type { AICall } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody } from '../call/body';
import type { RequestContext } from '../call/context';
import { AiBalancerError } from '../errors';
import type { ChatStream } from '../stream/chat-stream';
import { pipeChatStream } from '../stream/sse-writer';
import { identify } from './authenticate';
import { answerFailure, sendJson, unknownUrl, wrongMethod } from './failures';
import { errorHeaders, routeHeaders } from './headers';
import { findModel, listModels } from './models';
import type { GatewayOptions } from './options';
import { bodyReader } from './request-body';
import { wholeOrBroken } from './whole-or-broken';

/** The balanced AI of one request, live and tied to its response. */
export interface GatewayVisit {
  readonly requestId: string;
  /** Lays what is known of the caller over the request's context. */
  narrow(context: Partial<RequestContext>): void;
  chat(body: ChatBody): AICall<ChatCompletion | ChatStream>;
  embeddings(body: EmbeddingBody): AICall<EmbeddingResponse>;
}

export type Enter = (req: Request, res: Response) => GatewayVisit;
type Handle = (visit: GatewayVisit, req: Request, res: Response) => void | Promise<void>;

/** OpenAI's API over one balancer. The options have been checked. */
export function gatewayRouter(balancer: Balancer, options: Required<GatewayOptions>, enter: Enter): Router {
  const { authenticate, maxBodyBytes, headerDelayMs } = options;
  const readBody = bodyReader(maxBodyBytes);

  const visited = (handle: Handle): RequestHandler => {
    const serve = async (req: Request, res: Response): Promise<void> => {
      const visit = enter(req, res);
      res.setHeader('x-request-id', visit.requestId);
      visit.narrow(await identify(req, authenticate));
      await handle(visit, req, res);
    };
    // Express 4 does not catch a rejection.
    return (req, res, next) => void serve(req, res).catch(next);
  };

  const router = Router();
  router
    .route('/chat/completions')
    .post(
      visited(async (visit, req, res) => {
        const body = (await readBody(req, res)) as ChatBody;
        const call = visit.chat(body);
        if ((body as ChatBody | undefined)?.stream === true) {
          await sendStream(res, call as AICall<ChatStream>, headerDelayMs);
        } else await sendWhole(res, call);
      }),
    )
    .all(visited(onlyTakes('POST')));
  router
    .route('/embeddings')
    .post(
      visited(async (visit, req, res) => {
        await sendWhole(res, visit.embeddings((await readBody(req, res)) as EmbeddingBody));
      }),
    )
    .all(visited(onlyTakes('POST')));
  router
    .route('/models')
    .get(visited((_visit, _req, res) => sendJson(res, 200, { object: 'list', data: listModels(balancer) })))
    .all(visited(onlyTakes('GET')));
  router
    .route('/models/:id')
    .get(visited((_visit, req, res) => sendJson(res, 200, findModel(balancer, String(req.params.id)))))
    .all(visited(onlyTakes('GET')));
  router.use(
    visited((_visit, req) => {
      throw unknownUrl(req);
    }),
  );
  router.use(answerFailure);
  return router;
}

function onlyTakes(allowed: string): Handle {
  return (_visit, req, res) => {
    res.setHeader('allow', allowed);
    throw wrongMethod(req, allowed);
  };
}

async function sendWhole<T>(res: Response, call: AICall<T>): Promise<void> {
  const { data, route } = await call.withRoute();
  for (const [name, value] of Object.entries(routeHeaders(route))) res.setHeader(name, value);
  sendJson(res, 200, data);
}

async function sendStream(res: Response, call: AICall<ChatStream>, headerDelayMs: number): Promise<void> {
  const started = call.then(wholeOrBroken);
  if (headerDelayMs === Infinity) await started;
  await pipeChatStream(res, started, {
    headerDelayMs,
    headers: (stream) => (stream ? routeHeaders(stream.route) : {}),
    toHeaders: (error) => (AiBalancerError.isInstance(error) ? errorHeaders(error) : {}),
  });
}
