/* eslint-disable @typescript-eslint/no-floating-promises, @typescript-eslint/no-unused-vars, @typescript-eslint/no-meaningless-void-operator, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/ban-ts-comment -- only compiled */
// Compile-time tests: checked by `tsc --noEmit`, and by jest in types.test.ts. Nothing here runs.
import type { ServerResponse } from 'node:http';
import type {
  AICall,
  Balancer,
  ChatBody,
  ChatCompletion,
  ChatStream,
  EmbeddingResponse,
  RequestAi,
  RouteReport,
} from 'express-ai-balancer';
import type OpenAI from 'openai';
import { type Equal, expectType } from './expect';

declare const ai: RequestAi;
declare const balancer: Balancer;
declare const params: OpenAI.ChatCompletionCreateParams;
declare const whole: OpenAI.ChatCompletionCreateParamsNonStreaming;
declare const streaming: OpenAI.ChatCompletionCreateParamsStreaming;
declare const res: ServerResponse;
declare const vectors: OpenAI.EmbeddingCreateParams;

export async function bodiesOfTheOpenAiPackageAreAccepted(): Promise<void> {
  const fromAi = ai.chat(whole);
  expectType<Equal<typeof fromAi, AICall<ChatCompletion>>>();
  const fromBalancer = balancer.chat(whole);
  expectType<Equal<typeof fromBalancer, AICall<ChatCompletion>>>();

  const streamFromAi = ai.chat(streaming);
  expectType<Equal<typeof streamFromAi, AICall<ChatStream>>>();
  const streamFromBalancer = balancer.chat(streaming);
  expectType<Equal<typeof streamFromBalancer, AICall<ChatStream>>>();

  const eitherFromAi = ai.chat(params);
  expectType<Equal<typeof eitherFromAi, AICall<ChatCompletion | ChatStream>>>();
  const eitherFromBalancer = balancer.chat(params);
  expectType<Equal<typeof eitherFromBalancer, AICall<ChatCompletion | ChatStream>>>();

  const embedded = ai.embeddings(vectors);
  expectType<Equal<typeof embedded, AICall<EmbeddingResponse>>>();
  const embeddedByBalancer = await balancer.embeddings(vectors);
  expectType<Equal<typeof embeddedByBalancer, EmbeddingResponse>>();
}

export async function answersFitTheTypesOfTheOpenAiPackage(): Promise<void> {
  const completion: OpenAI.ChatCompletion = await ai.chat(whole);
  const message: OpenAI.ChatCompletionMessage | undefined = completion.choices[0]?.message;
  const next: OpenAI.ChatCompletionMessageParam[] = message ? [message] : [];
  for await (const chunk of await ai.chat({ ...streaming, messages: next })) {
    const fits: OpenAI.ChatCompletionChunk = chunk;
    void fits;
  }
  const embeddings: OpenAI.CreateEmbeddingResponse = await ai.embeddings(vectors);
  const usage: OpenAI.CompletionUsage | undefined = completion.usage;
  void [embeddings, usage];
}

export async function literalsAreAcceptedAsTheyAreWritten(): Promise<void> {
  const messages = [{ role: 'user', content: 'hi' }];
  const answer = ai.chat({ messages });
  expectType<Equal<typeof answer, AICall<ChatCompletion>>>();
  const unknownFields = ai.chat({
    messages,
    model: 'auto',
    temperature: 0.2,
    x_vendor: { deep: [1] },
    seed: 7,
  });
  expectType<Equal<typeof unknownFields, AICall<ChatCompletion>>>();
  const off = ai.chat({ messages, stream: false });
  expectType<Equal<typeof off, AICall<ChatCompletion>>>();
  const none = ai.chat({ messages, stream: null });
  expectType<Equal<typeof none, AICall<ChatCompletion>>>();
  const on = ai.chat({ messages, stream: true, stream_options: { include_usage: true } });
  expectType<Equal<typeof on, AICall<ChatStream>>>();
  const said = ai.chat({ messages, stream: Date.now() > 0 });
  expectType<Equal<typeof said, AICall<ChatCompletion | ChatStream>>>();

  ai.chat({
    messages: [
      { role: 'system', content: 'short', name: 'desk' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'image_url', image_url: { url: 'data:' } },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [] },
      { role: 'tool', tool_call_id: 'x', content: '42' },
    ],
    tools: [{ type: 'function', function: { name: 'f', parameters: {} } }],
    response_format: { type: 'json_object' },
  });
  const frozen = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] } as const;
  ai.chat(frozen);
  const asBody: ChatBody = frozen;
  ai.chat(asBody);

  const { data, route } = await ai.chat({ messages, stream: true }).withRoute();
  expectType<Equal<typeof data, ChatStream>>();
  expectType<Equal<typeof route, RouteReport>>();
  const piped = ai.chat({ messages, stream: true }).pipe(res);
  expectType<Equal<typeof piped, Promise<void>>>();
  const then = ai.chat({ messages }).then((value) => value.id);
  expectType<Equal<typeof then, Promise<string>>>();
}

export function wrongBodiesAndOptionsAreRefused(): void {
  const messages = [{ role: 'user', content: 'hi' }];
  // @ts-expect-error -- no messages
  ai.chat({ model: 'gpt-4o' });
  // @ts-expect-error -- messages is not a string
  ai.chat({ messages: 'hi' });
  // @ts-expect-error -- a message has a role
  ai.chat({ messages: [{ content: 'hi' }] });
  // @ts-expect-error -- a model is a string
  ai.chat({ messages, model: 4 });
  // @ts-expect-error -- true or false
  ai.chat({ messages, stream: 'yes' });
  // @ts-expect-error -- a number
  ai.chat({ messages, max_tokens: '100' });
  // @ts-expect-error -- a body is required
  ai.chat();
  // @ts-expect-error -- 1 to 5
  ai.chat({ messages }, { priority: 7 });
  // @ts-expect-error -- an unknown option
  ai.chat({ messages }, { prority: 5 });
  // @ts-expect-error -- not a request type
  balancer.chat({ messages }, { type: 'poem' });
  // @ts-expect-error -- embeddings name a model
  ai.embeddings({ input: 'a' });
}

export async function anAnswerIsNoStreamAndAStreamNoAnswer(): Promise<void> {
  const messages = [{ role: 'user', content: 'hi' }];
  const answer = await ai.chat({ messages });
  const stream = await ai.chat({ messages, stream: true });
  // @ts-expect-error -- it can't be iterated
  answer[Symbol.asyncIterator]();
  // @ts-expect-error -- it has no choices
  stream.choices.at(0);
}
