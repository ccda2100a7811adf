import type { RouteReport } from '../../lib/route-report';
import { readChatEvents } from '../../lib/stream/chat-event-reader';
import { ChatEventStream } from '../../lib/stream/chat-stream';
import { chunkText, DONE, OPTIONS, Source, USAGE_EVENT } from './fixtures/streams';

const HELLO = chunkText({ content: 'Hello' });
const FINISH = chunkText({}, 'stop');

function open(source: Source): { stream: ChatEventStream; aborts: unknown[] } {
  const aborts: unknown[] = [];
  const stream = new ChatEventStream({
    first: [],
    events: readChatEvents(source, { ...OPTIONS, hideUsage: true }),
    route: () => ({ endpoint: 'one' }) as RouteReport,
    abort: (reason) => aborts.push(reason),
  });
  return { stream, aborts };
}

async function text(stream: ChatEventStream): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += chunk.choices[0]?.delta.content ?? '';
  return all;
}

it('gives what was read ahead, then the rest, without the hidden usage', async () => {
  const events = readChatEvents(new Source([HELLO, chunkText({ content: '!' }), FINISH, USAGE_EVENT, DONE]), {
    ...OPTIONS,
    hideUsage: true,
  });
  const first = await events.next();
  const stream = new ChatEventStream({
    first: [first.value!],
    events,
    route: () => ({}) as RouteReport,
    abort: () => undefined,
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content)).toEqual(['Hello', '!', undefined]);
});

it('has one reader', async () => {
  const { stream } = open(new Source([HELLO, FINISH, DONE]));
  expect(await text(stream)).toBe('Hello');
  await expect(text(stream)).rejects.toThrow(/one reader/);
});

it('closes the upstream when the reader breaks out, without an error', async () => {
  const source = new Source([HELLO, HELLO], 'hold');
  const { stream, aborts } = open(source);
  for await (const _ of stream) break;
  expect(aborts).toHaveLength(1);
  expect(source.returned).toBe(1);
});

it('ends a pending read with ERR_AI_ABORTED when it is aborted, though the upstream says nothing', async () => {
  const source = new Source([HELLO], 'hold');
  const { stream, aborts } = open(source);
  const reading = text(stream);
  setTimeout(() => stream.abort(), 5);
  await expect(reading).rejects.toMatchObject({ code: 'ERR_AI_ABORTED', status: 499 });
  stream.abort();
  expect(aborts).toHaveLength(1);
  expect(source.returned).toBe(1);
});

it('refuses to be read after it was aborted', async () => {
  const { stream, aborts } = open(new Source([HELLO], 'hold'));
  stream.abort();
  await expect(text(stream)).rejects.toMatchObject({ code: 'ERR_AI_ABORTED' });
  expect(aborts).toHaveLength(1);
});

it('does not abort a stream that has ended', async () => {
  const { stream, aborts } = open(new Source([HELLO, FINISH, DONE]));
  await text(stream);
  stream.abort();
  expect(aborts).toHaveLength(0);
});

it('passes errors on as they are and tells how it was served', async () => {
  const reset = new Error('reset');
  const { stream } = open(new Source([HELLO, reset]));
  await expect(text(stream)).rejects.toBe(reset);
  expect(stream.route.endpoint).toBe('one');
});
