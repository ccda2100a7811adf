import type { AnswerWithRoute } from '../call/ai-call';
import type { ChatCompletion } from '../call/answer';
import type { ChatBody, ResponseBody } from '../call/body';
import type { Call, ResponseRequest } from '../call/call';
import type { AIResponse, AnswerData } from '../call/response';
import type { ResolvedConfig } from '../config/options';
import { badRequest } from '../errors';
import { KeptItems } from '../responses/kept-items';
import { isNativeResponse } from '../responses/native-response';
import { accountOf } from '../responses/native-route';
import { toResponse } from '../responses/response-builder';
import { ResponseEventStream, type ResponseStream } from '../responses/response-stream';
import type { ChatStream, EventStream } from '../stream/chat-stream';
import type { EndpointRegistry } from './endpoint-registry';

/** Translates Responses calls to and from chat calls, and keeps the responses that later calls may refer to. */
export class ResponseCalls {
  readonly #kept = new KeptItems();
  readonly #registry: EndpointRegistry;

  /**
   * Whether the configuration has hooks. If it does, every call that can be translated to a chat call is translated,
   * because hooks read and change chat requests.
   */
  #hasHooks = false;

  constructor(registry: EndpointRegistry, config: Pick<ResolvedConfig, 'hooks'>) {
    this.#registry = registry;
    this.configure(config);
  }

  configure({ hooks }: Pick<ResolvedConfig, 'hooks'>): void {
    this.#hasHooks = hooks.length > 0;
  }

  /** @throws ERR_AI_BAD_REQUEST */
  prepare(body: ResponseBody, tenant: string | undefined): { chat: ChatBody; responses: ResponseRequest } {
    const { chat, responses } = this.#kept.prepare(body, tenant);
    const isTranslated = this.#hasHooks && responses.nativeOnly === undefined;
    return { chat, responses: { ...responses, isTranslated } };
  }

  /** Returns the answer in the format of the call's operation. */
  answerOf({ responses }: Call, { data, route }: AnswerWithRoute<AnswerData>): AnswerData {
    return responses ? this.#answer(responses, data, route.endpoint) : data;
  }

  /** Returns a stream in the format of the call's operation. */
  streamOf(call: Call, stream: ChatStream): ChatStream | ResponseStream {
    return call.responses ? this.#stream(call.responses, stream) : stream;
  }

  #answer(request: ResponseRequest, data: AnswerData, endpoint: string): AIResponse {
    const isNative = isNativeResponse(data);
    const response = isNative ? withOutputText(data) : toResponse(request.body, data as ChatCompletion);
    this.#keep(request, response, isNative, endpoint);
    return response;
  }

  #stream(request: ResponseRequest, stream: ChatStream): ResponseStream {
    return new ResponseEventStream(stream as EventStream, request.body, (response, isNative) =>
      this.#keep(request, response, isNative, stream.route.endpoint),
    );
  }

  #keep(request: ResponseRequest, response: AIResponse, isNative: boolean, endpoint: string): void {
    if (typeof response.id !== 'string' || !Array.isArray(response.output)) return;
    const isStored = isNative && request.body.store !== false;
    this.#kept.keep(response, isStored ? this.#accountOf(endpoint) : undefined, request);
  }

  /** Returns the account of an endpoint; undefined if a reload has removed the endpoint. */
  #accountOf(name: string): string | undefined {
    const endpoint = this.#registry.endpoints.find(({ settings }) => settings.name === name);
    return endpoint && accountOf(endpoint.settings);
  }
}

/**
 * Returns the request of a call whose chat request a hook has changed. It must be sent translated, because the original
 * Responses body lacks the change.
 *
 * @throws ERR_AI_BAD_REQUEST if the request can't be translated.
 */
export function changedRequest({ responses }: Call): ResponseRequest | undefined {
  if (responses?.nativeOnly === undefined) return responses && { ...responses, isTranslated: true };
  throw badRequest(
    responses.nativeOnly,
    "this can't be translated to chat completions, and a hook changes the request only there",
  );
}

/** Adds `output_text`, as OpenAI's client does, for readers in this process. */
function withOutputText(response: AIResponse): AIResponse {
  if (typeof (response as Partial<AIResponse>).output_text === 'string') return response;
  const texts = response.output.flatMap((item) => (item.type === 'message' ? item.content : []));
  const output_text = texts.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
  return { ...response, output_text };
}
