import { transformSync } from '@swc/core';
import * as library from 'express-ai-balancer';
import { type Balancer, createBalancer, type Dialect } from 'express-ai-balancer';
import { StreamFailure } from '../../lib/stream/stream-errors';
import { typescriptBlocks } from '../docs/documents';
import { json, type Responder, Rig, rejection } from '../failover/upstream';
import { cutAt } from '../stream/fixtures/streams';
import { comparable, readStream } from './fixtures/read-stream';

// Source of the answers: https://docs.cohere.com/v2/reference/chat and https://docs.cohere.com/v2/docs/streaming
const USAGE = {
  billed_units: { input_tokens: 5, output_tokens: 3 },
  tokens: { input_tokens: 71, output_tokens: 3 },
};
const WHOLE = {
  id: 'c14c80c3-18eb-4519-9460-6c92edd8cfb4',
  finish_reason: 'COMPLETE',
  message: { role: 'assistant', content: [{ type: 'text', text: 'Hello there' }] },
  usage: USAGE,
};
const EVENTS = [
  {
    type: 'message-start',
    id: WHOLE.id,
    delta: { message: { role: 'assistant', content: [], tool_calls: [] } },
  },
  { type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } },
  { type: 'content-delta', index: 0, delta: { message: { content: { text: 'Hello' } } } },
  { type: 'content-delta', index: 0, delta: { message: { content: { text: ' there' } } } },
  { type: 'content-end', index: 0 },
  { type: 'message-end', delta: { finish_reason: 'COMPLETE', usage: USAGE } },
];

const code =
  typescriptBlocks('docs/adding-a-provider.md').find((block) => block.includes('operations')) ?? '';

/** The dialect of the page, run unchanged; only its balancer gets the address of the test's upstream. */
function run(): Dialect {
  const { code: script } = transformSync(code, {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  const created: unknown[] = [];
  const modules = { ...library, createBalancer: (config: unknown) => created.push(config) };
  const exports: { cohere?: Dialect } = {};
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code is from our own documents
  const execute = new Function('require', 'exports', 'process', script) as (...args: unknown[]) => void;
  execute(() => modules, exports, { env: { COHERE_API_KEY: 'k' } });
  expect(created).toHaveLength(1);
  if (!exports.cohere) throw new Error('the example exports no dialect');
  createBalancer({ ...(created[0] as library.BalancerConfig), logger: false })
    .close({ graceMs: 0 })
    .catch(() => undefined);
  return exports.cohere;
}

describe('The dialect of docs/adding-a-provider.md', () => {
  const rig = new Rig();
  const cohere = run();
  const start = async (
    responder: Responder,
  ): Promise<{ balancer: Balancer; bodies: Record<string, unknown>[] }> => {
    const { balancer, upstream } = await rig.start(
      { a: responder },
      { dialects: { cohere }, each: { a: { provider: 'cohere' } } },
    );
    return { balancer, bodies: upstream.requests.map(({ body }) => body) };
  };
  const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }], stop: 'END', top_p: 0.5 };

  it('has at most the 60 lines that the page promises', () => {
    const lines = code.slice(code.indexOf('export const cohere'), code.indexOf('export const balancer'));
    expect(lines.trim().split('\n').length).toBeLessThanOrEqual(60);
  });

  it('serves a whole answer', async () => {
    const { balancer } = await start((arrival) => {
      expect(arrival.req.url).toBe('/a/chat');
      expect(arrival.body).toMatchObject({
        model: 'm',
        messages: body.messages,
        stop_sequences: ['END'],
        p: 0.5,
      });
      json(arrival, 200, WHOLE);
    });
    const { data, route } = await balancer.chat(body).withRoute();
    expect(data.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Hello there' } });
    expect(route.usage).toEqual({ prompt_tokens: 71, completion_tokens: 3, total_tokens: 74 });
  });

  it('serves a stream', async () => {
    const { balancer } = await start(({ res }) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of EVENTS) res.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      res.end();
    });
    const { data } = await balancer.chat({ ...body, stream: true }).withRoute();
    let text = '';
    for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('Hello there');
    expect(data.route.usage?.total_tokens).toBe(74);
  });

  it('reads the same answer from a stream wherever it is split, and fails if the stream ends early', async () => {
    const text = EVENTS.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
    const bytes = Buffer.from(text);
    const whole = comparable(await readStream(cohere, [bytes]));
    expect(whole).toMatchObject({ choices: [{ message: { content: 'Hello there' } }] });
    const end = text.indexOf('"finish_reason"');
    for (let at = 0; at <= bytes.length; at++) {
      expect(comparable(await readStream(cohere, cutAt(bytes, at)))).toEqual(whole);
      if (at < end)
        await expect(readStream(cohere, [bytes.subarray(0, at)])).rejects.toBeInstanceOf(StreamFailure);
    }
  });

  it('classifies failures and refuses features that it does not translate', async () => {
    const { balancer } = await start((arrival) => json(arrival, 401, { message: 'invalid api token' }));
    expect(await rejection(balancer.chat(body))).toMatchObject({ attempts: [{ class: 'unauthorized' }] });
    const refused = await rejection(balancer.chat({ ...body, n: 2 }));
    expect(refused).toMatchObject({ code: 'ERR_AI_NO_ENDPOINT' });
    expect((refused as Error).message).toContain("cohere does not support 'n'");
  });
});
