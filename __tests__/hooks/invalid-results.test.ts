import type { Hooks } from 'express-ai-balancer';
import type { ChatCompletionChunk } from '../../lib/call/answer';
import type { Call } from '../../lib/call/call';
import { TextGuard } from '../../lib/hooks/text-guard';
import { ParsedChatEvent } from '../../lib/stream/chat-event';
import { answer, BODY, chatText, Rig, rejection } from '../failover/upstream';

const rig = new Rig();

describe('A hook with an invalid result makes its call fail, and the error says what it must return:', () => {
  it.each<[string, Hooks, boolean, string]>([
    [
      'a text',
      { before: () => 'no' as never },
      false,
      'must return nothing or an object with one of: body, answer, refuse',
    ],
    [
      'two results at once',
      { before: ({ body }) => ({ body, refuse: { message: 'no' } }) },
      false,
      'must return nothing or an object with one of: body, answer, refuse',
    ],
    ['no result in an object', { after: () => ({}) as never }, false, 'with one of: answer, refuse, retry'],
    [
      'a refusal without a message',
      { before: () => ({ refuse: 'no' }) as never },
      false,
      'refuse.message of',
    ],
    [
      'a refusal with a status that is no error',
      { before: () => ({ refuse: { message: 'no', status: 200 } }) },
      false,
      'refuse.status of',
    ],
    [
      'a refusal with half a status',
      { before: () => ({ refuse: { message: 'no', status: 400.5 } }) },
      false,
      'a whole number from 400 to 599',
    ],
    [
      'a refusal with a status that does not exist',
      { before: () => ({ refuse: { message: 'no', status: 600 } }) },
      false,
      'a whole number from 400 to 599',
    ],
    [
      'a streamed body for a call that is not streamed',
      { before: ({ body }) => ({ body: { ...body, stream: true } }) },
      false,
      'a hook must not change `stream` of the body',
    ],
    [
      'a text that is none',
      { text: () => ({ text: 7 }) as never },
      true,
      'must return { text: string, hold?: number }',
    ],
    [
      'a negative number of characters to hold back',
      { text: () => ({ text: 'a', hold: -1 }) },
      true,
      'must return { text: string, hold?: number }',
    ],
  ])('%s', async (_name, hooks, stream, message) => {
    const { balancer } = await rig.start({ a: answer() }, { hooks });
    const failed = (await rejection(chatText(balancer, stream))) as Error & { cause?: Error };
    expect(`${failed.message} ${failed.cause?.message ?? ''}`).toContain(message);
  });

  it('a refusal without a status has the status 400', async () => {
    const { balancer } = await rig.start(
      { a: answer() },
      { hooks: { before: () => ({ refuse: { message: 'no' } }) } },
    );
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      code: 'ERR_AI_CONTENT_POLICY',
      status: 400,
    });
  });
});

describe('hooks.text', () => {
  it('changes the text of one choice, and leaves the others of the same event as they are', async () => {
    const hooks = {
      name: 'hooks',
      windowChars: 1,
      onFailure: 'closed',
      text: (_call: unknown, { text, choice }: { text: string; choice: number }) => ({
        text: choice === 0 ? text.toUpperCase() : text,
      }),
    };
    const call = {
      operation: 'chat',
      body: BODY,
      stream: true,
      context: { requestId: 'r' },
    } as unknown as Call;
    const guard = new TextGuard([hooks] as never, call, () => undefined);
    const choices = [
      { index: 0, delta: { content: 'a' }, finish_reason: null },
      { index: 1, delta: { content: 'b' }, finish_reason: null },
      { index: 2, finish_reason: null },
    ];
    async function* events() {
      yield await Promise.resolve(new ParsedChatEvent({ choices } as unknown as ChatCompletionChunk, false));
      const ends = choices.map(({ index }) => ({ index, delta: {}, finish_reason: 'stop' }));
      yield new ParsedChatEvent({ choices: ends } as unknown as ChatCompletionChunk, false);
    }
    const texts: string[] = ['', '', ''];
    for await (const { chunk } of guard.events(events(), () => undefined))
      for (const { index, delta } of chunk.choices as Partial<(typeof chunk.choices)[number]>[])
        texts[index ?? 0] = `${texts[index ?? 0] ?? ''}${delta?.content ?? ''}`;
    expect(texts).toEqual(['A', 'b', '']);
  });
});
