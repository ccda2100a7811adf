import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { LLMock } from '@copilotkit/aimock';
import type { ChatCompletionChunk } from '../../lib/call/answer';
import { StreamFailure } from '../../lib/stream/stream-errors';
import { cutAt, readAll, Source } from './fixtures/streams';

/** Streams of a mock server that others wrote, so that we don't test our own idea of the format. */
const mock = new LLMock({ port: 0 });
const ANSWER = 'The balance is 12 €, due on 1 March. "Quoted", and\na new line: 東京.';

beforeAll(async () => {
  mock.onMessage('text', { content: ANSWER });
  mock.onMessage('tool', {
    toolCalls: [{ name: 'get_weather', arguments: '{"city":"Paris","unit":"celsius"}' }],
  });
  await mock.start();
});
afterAll(() => mock.stop());

async function streamed(content: string): Promise<Buffer> {
  const sent = request(`${mock.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer x' },
    // A test may take longer than the server keeps an idle connection.
    agent: false,
  });
  sent.end(
    JSON.stringify({
      model: 'gpt-4o',
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content }],
    }),
  );
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

const chunksOf = (bytes: Buffer): ChatCompletionChunk[] =>
  [...bytes.toString().matchAll(/^data: (\{.*)$/gm)].map(
    ([, json]) => JSON.parse(json!) as ChatCompletionChunk,
  );

it.each(['text', 'tool'])(
  'streams of aimock (%s) are read the same wherever they are cut in two',
  async (kind) => {
    const bytes = await streamed(kind);
    const whole = JSON.stringify(chunksOf(bytes));
    for (let at = 0; at <= bytes.length; at++) {
      const read = await readAll(new Source(cutAt(bytes, at)));
      if (JSON.stringify(read.chunks) !== whole) throw new Error(`cut at ${at}`);
      expect(read.error).toBeUndefined();
    }
    const read = await readAll(new Source([bytes]));
    expect(kind === 'text' ? read.text : read.generated).toContain(
      kind === 'text' ? ANSWER : '"city":"Paris"',
    );
    expect(read.malformed).toBe(0);
  },
);

it('a stream of aimock that ends before its finish_reason fails, wherever it ends', async () => {
  const bytes = await streamed('text');
  // The finish is known once its event is closed by a brace; a cut before that leaves no JSON.
  const finish = bytes.indexOf('\n', bytes.indexOf('"finish_reason":"'));
  for (let end = 0; end < finish; end++) {
    const { error, events } = await readAll(new Source([bytes.subarray(0, end)]));
    if (!(error instanceof StreamFailure)) throw new Error(`ended at ${end}: ${String(error)}`);
    expect(events.some((event) => event.hasFinishReason)).toBe(false);
  }
});
