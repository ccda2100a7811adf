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

describe('ChatStream', () => {
  it('yields the events read ahead, then the rest, without hidden usage', async () => {
    const events = readChatEvents(
      new Source([HELLO, chunkText({ content: '!' }), FINISH, USAGE_EVENT, DONE]),
      {
        ...OPTIONS,
        hideUsage: true,
      },
    );
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

  it('throws for a second reader', async () => {
    const { stream } = open(new Source([HELLO, FINISH, DONE]));
    expect(await text(stream)).toBe('Hello');
    await expect(text(stream)).rejects.toThrow(/one reader/);
  });

  it('closes the upstream without an error when the reader breaks out', async () => {
    const source = new Source([HELLO, HELLO], 'hold');
    const { stream, aborts } = open(source);
    for await (const _ of stream) break;
    expect(aborts).toHaveLength(1);
    expect(source.returned).toBe(1);
  });

  it('ends a pending read with ERR_AI_ABORTED on abort(), even if the upstream is silent', async () => {
    const source = new Source([HELLO], 'hold');
    const { stream, aborts } = open(source);
    const reading = text(stream);
    setTimeout(() => stream.abort(), 5);
    await expect(reading).rejects.toMatchObject({ code: 'ERR_AI_ABORTED', status: 499 });
    stream.abort();
    expect(aborts).toHaveLength(1);
    expect(source.returned).toBe(1);
  });

  it('throws ERR_AI_ABORTED when read after abort()', async () => {
    const { stream, aborts } = open(new Source([HELLO], 'hold'));
    stream.abort();
    await expect(text(stream)).rejects.toMatchObject({ code: 'ERR_AI_ABORTED' });
    expect(aborts).toHaveLength(1);
  });

  it('ignores abort() after the stream has ended', async () => {
    const { stream, aborts } = open(new Source([HELLO, FINISH, DONE]));
    await text(stream);
    stream.abort();
    expect(aborts).toHaveLength(0);
  });

  it('stays at its end when it is read or left again', async () => {
    const { stream, aborts } = open(new Source([HELLO, FINISH, DONE]));
    const reader = stream[Symbol.asyncIterator]();
    for (let n = 0; n < 2; n++) expect((await reader.next()).done).toBe(false);
    for (let n = 0; n < 2; n++) expect((await reader.next()).done).toBe(true);
    expect((await reader.return?.())?.done).toBe(true);
    expect(aborts).toHaveLength(0);
  });

  it('passes errors on unchanged and reports its route', async () => {
    const reset = new Error('reset');
    const { stream } = open(new Source([HELLO, reset]));
    await expect(text(stream)).rejects.toBe(reset);
    expect(stream.route.endpoint).toBe('one');
  });
});
