/* eslint-disable @typescript-eslint/no-unused-vars, @typescript-eslint/no-floating-promises, @typescript-eslint/no-meaningless-void-operator -- only compiled */
// Compile-time tests: checked by `tsc --noEmit`, and by jest in types.test.ts. Nothing here runs.
import type { AICall, AIResponse, Balancer, RequestAi, ResponseStream } from 'express-ai-balancer';
import type OpenAI from 'openai';
import { type Equal, expectType } from './expect';

declare const ai: RequestAi;
declare const balancer: Balancer;
declare const params: OpenAI.Responses.ResponseCreateParams;
declare const whole: OpenAI.Responses.ResponseCreateParamsNonStreaming;
declare const streaming: OpenAI.Responses.ResponseCreateParamsStreaming;

export function bodiesOfTheOpenAiPackageAreAccepted(): void {
  const fromAi = ai.responses(whole);
  expectType<Equal<typeof fromAi, AICall<AIResponse>>>();
  const fromBalancer = balancer.responses(whole);
  expectType<Equal<typeof fromBalancer, AICall<AIResponse>>>();
  const streamFromAi = ai.responses(streaming);
  expectType<Equal<typeof streamFromAi, AICall<ResponseStream>>>();
  const streamFromBalancer = balancer.responses(streaming);
  expectType<Equal<typeof streamFromBalancer, AICall<ResponseStream>>>();
  const either = balancer.responses(params);
  expectType<Equal<typeof either, AICall<AIResponse | ResponseStream>>>();
}

export async function answersFitTheTypesOfTheOpenAiPackage(): Promise<void> {
  const response: OpenAI.Responses.Response = await ai.responses(whole);
  const usage: OpenAI.Responses.ResponseUsage | undefined = response.usage;
  const ours: AIResponse = await balancer.responses(whole);
  // What the model has said and asked for is part of the next request.
  const input: OpenAI.Responses.ResponseInputItem[] = [...ours.output, { role: 'user', content: 'And?' }];
  const items: OpenAI.Responses.ResponseOutputItem[] = ours.output;
  const next = balancer.responses({ ...whole, input });
  const chained = balancer.responses({ ...whole, previous_response_id: ours.id });
  void [usage, items, next, chained];
}

export async function eventsFitTheTypesOfTheOpenAiPackage(): Promise<void> {
  for await (const event of await balancer.responses(streaming)) {
    const fits = event as OpenAI.Responses.ResponseStreamEvent;
    if (fits.type === 'response.output_text.delta') fits.delta satisfies string;
    const type: string = event.type;
    const position: number = event.sequence_number;
    void [type, position];
  }
}

export function literalsAreAcceptedAsTheyAreWritten(): void {
  const text = ai.responses({ model: 'gpt-4o', input: 'hi' });
  expectType<Equal<typeof text, AICall<AIResponse>>>();
  const stream = ai.responses({ input: [{ role: 'user', content: 'hi' }], stream: true });
  expectType<Equal<typeof stream, AICall<ResponseStream>>>();
  ai.responses({ input: [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }] });
  ai.responses({
    input: [
      { type: 'item_reference', id: 'msg_1' },
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: '42' },
    ],
    tools: [{ type: 'function', name: 'f', parameters: {}, strict: true }],
    text: { format: { type: 'json_object' } },
    reasoning: { effort: 'low' },
    x_vendor: 7,
  });
  // @ts-expect-error -- an input is a text or items
  ai.responses({ model: 'gpt-4o', input: 7 });
  // @ts-expect-error -- a number
  ai.responses({ input: 'hi', max_output_tokens: '9' });
  // @ts-expect-error -- an unknown option
  ai.responses({ input: 'hi' }, { prority: 5 });
}
