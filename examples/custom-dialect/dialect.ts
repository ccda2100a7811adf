// A server with a format of its own behind the same balancer: a dialect translates. Here it is a small in-house server, in
// this file, that takes `{ prompt }` and answers `{ text, in, out }`. `npx tsx examples/custom-dialect/dialect.ts`
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Balancer,
  type ChatBody,
  type ChatCompletion,
  classifyAnswer,
  type Dialect,
  readRateLimits,
} from 'express-ai-balancer';

export const inHouse: Dialect = {
  name: 'in-house',
  operations: ['chat'],
  // Such calls go to another endpoint, or fail with the name that is returned.
  unsupported: ({ body, stream }) => {
    if (stream) return 'stream';
    return 'tools' in body && body.tools !== undefined ? 'tools' : undefined;
  },
  request({ body }, { apiKey, headers }) {
    const { messages, max_tokens: limit } = body as ChatBody;
    const prompt = messages.map(({ role, content }) => `${role}: ${JSON.stringify(content)}`).join('\n');
    return {
      path: '/generate',
      headers: { 'content-type': 'application/json', 'x-key': apiKey ?? '', ...headers },
      body: JSON.stringify({ prompt, limit }),
    };
  },
  answer({ body }, call) {
    const { text, in: prompt, out } = JSON.parse(body) as { text: string; in: number; out: number };
    return {
      id: 'in-house',
      object: 'chat.completion',
      created: Math.floor(Date.now() / 1000),
      model: call.body.model ?? '',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: text } }],
      usage: { prompt_tokens: prompt, completion_tokens: out, total_tokens: prompt + out },
    } as ChatCompletion;
  },
  failure: (http) => classifyAnswer(http),
  limits: (headers) => readRateLimits(headers),
};

/** The in-house server. */
export async function startServer(): Promise<Server & { url: string }> {
  const server = createServer((req, res) => {
    req.resume().on('end', () => {
      const isKnown = req.headers['x-key'] === 'secret';
      res.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
      res.end(
        JSON.stringify(isKnown ? { text: 'It is on its way.', in: 12, out: 5 } : { error: 'unknown key' }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(server, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

/** A balancer over it; beside it any other endpoints would do. */
export function createInHouseBalancer(baseURL: string, apiKey: string): Balancer {
  return new Balancer({
    dialects: { 'in-house': inHouse },
    endpoints: [{ name: 'in-house', provider: 'in-house', model: 'house-1', baseURL, apiKey }],
    logger: false,
  });
}

async function main(): Promise<void> {
  const server = await startServer();
  const balancer = createInHouseBalancer(server.url, 'secret');
  const messages = [{ role: 'user', content: 'Where is my parcel?' }];
  const { data, route } = await balancer.chat({ model: 'house-1', messages }).withRoute();
  console.log(data.choices[0]?.message.content, route.usage);
  await balancer.close();
  server.close();
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/dialect\.\w+$/.test(process.argv[1] ?? '')) void main();
