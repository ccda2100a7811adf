import type { AICall } from '../call/ai-call';
import type { AIResponse } from '../call/response';
import { AiBalancerError } from '../errors';
import { RESPONSE_WIRE, type ResponseStream } from '../responses/response-stream';
import type { ChatStream } from '../stream/chat-stream';
import { CHAT_WIRE, type StreamWire, writeStream } from '../stream/pipe-chat-stream';
import { isObject } from '../util/is-object';
import type { ApiCalls, ApiReply, ApiRequest } from './api-request';
import { methodNotAllowedError, unknownUrlError } from './errors';
import { errorHeaders, routeHeaders } from './headers';
import { findModel, listModels, type ModelSource } from './models';

export interface ApiParts {
  readonly calls: ApiCalls;
  readonly models: ModelSource;
  /** How long the headers of a stream are delayed to wait for its first content, in milliseconds. */
  readonly headerDelayMs: number;
  /** Receives the error of a stream that failed, which otherwise only its reader gets. */
  readonly onStreamFailure: (error: unknown) => void;
}

type Serve = (parts: ApiParts, request: ApiRequest, reply: ApiReply, id: string) => void | Promise<void>;

interface Route {
  readonly pattern: RegExp;
  readonly method: 'GET' | 'POST';
  readonly serve: Serve;
}

/** The routes of OpenAI's API, relative to its base URL. */
const ROUTES: readonly Route[] = [
  { pattern: /^\/chat\/completions$/i, method: 'POST', serve: serveChat },
  { pattern: /^\/responses$/i, method: 'POST', serve: serveResponses },
  { pattern: /^\/embeddings$/i, method: 'POST', serve: serveEmbeddings },
  { pattern: /^\/models$/i, method: 'GET', serve: serveModels },
  { pattern: /^\/models\/(.+)$/i, method: 'GET', serve: serveModel },
];

/**
 * Serves one request to the OpenAI-compatible API, for `aiGateway()` over HTTP and for `createFetch()` in this process.
 *
 * @throws Any error that occurs before the answer begins. A later failure is sent as an event of the stream.
 */
export async function serveApi(parts: ApiParts, request: ApiRequest, reply: ApiReply): Promise<void> {
  const path = request.path.replace(/(?<=.)\/$/, '');
  for (const { pattern, method, serve } of ROUTES) {
    const match = pattern.exec(path);
    if (!match) continue;
    if (request.method !== method && !(request.method === 'HEAD' && method === 'GET')) {
      reply.setHeader('allow', method);
      throw methodNotAllowedError(request, method);
    }
    await serve(parts, request, reply, decode(match[1] ?? ''));
    return;
  }
  throw unknownUrlError(request);
}

async function serveChat(parts: ApiParts, request: ApiRequest, reply: ApiReply): Promise<void> {
  const body = await request.readBody();
  const call = parts.calls.chat(body);
  if (isStreamed(body)) await sendStream(CHAT_WIRE, parts, reply, call as AICall<ChatStream>);
  else await sendWhole(reply, call);
}

async function serveResponses(parts: ApiParts, request: ApiRequest, reply: ApiReply): Promise<void> {
  const body = await request.readBody();
  const call = parts.calls.responses(body);
  if (isStreamed(body)) await sendStream(RESPONSE_WIRE, parts, reply, call as AICall<ResponseStream>);
  else await sendWhole(reply, call, onWire);
}

/** Removes `output_text`, which is not part of the wire format: clients add it themselves. */
function onWire({ output_text: _, ...response }: AIResponse): object {
  return response;
}

function isStreamed(body: unknown): boolean {
  return isObject(body) && body.stream === true;
}

async function sendStream<S extends ChatStream | ResponseStream>(
  wire: StreamWire<S>,
  { headerDelayMs, onStreamFailure }: ApiParts,
  reply: ApiReply,
  call: AICall<S>,
): Promise<void> {
  if (headerDelayMs === Infinity) await call;
  await writeStream(wire, reply.openEvents(), call, {
    headerDelayMs,
    onFailure: onStreamFailure,
    headers: (started) => (started ? routeHeaders(started.route) : {}),
    toHeaders: (error) => (AiBalancerError.isInstance(error) ? errorHeaders(error) : {}),
  });
}

async function serveEmbeddings({ calls }: ApiParts, request: ApiRequest, reply: ApiReply): Promise<void> {
  await sendWhole(reply, calls.embeddings(await request.readBody()));
}

function serveModels({ models }: ApiParts, _request: ApiRequest, reply: ApiReply): void {
  reply.sendJson(200, {}, { object: 'list', data: listModels(models) });
}

function serveModel({ models }: ApiParts, _request: ApiRequest, reply: ApiReply, id: string): void {
  reply.sendJson(200, {}, findModel(models, id));
}

async function sendWhole<T>(
  reply: ApiReply,
  call: AICall<T>,
  toBody: (data: never) => unknown = (data) => data,
): Promise<void> {
  const { data, route } = await call.withRoute();
  reply.sendJson(200, routeHeaders(route), toBody(data as never));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Text that can't be decoded is returned as it is; no model has such a name.
    return text;
  }
}
