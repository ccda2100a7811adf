/** The ways in which an Express app calls a provider that the bench compares. */
import http from 'node:http';
import type { ModelMessage } from 'ai';
import axios from 'axios';
import type { Request, Response, Router } from 'express';
import type {
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
} from 'openai/resources/chat/completions';
import type { BalancerConfig, ChatBody } from '../../lib';

type Handler = (req: Request, res: Response) => void | Promise<void>;

export interface Client {
  readonly whole: Handler;
  readonly streamed: Handler;
  /** Where the client is a whole router, mounted at /v1. */
  readonly gateway?: Router;
}

const KEY = 'sk-bench-0123456789';
const HEADERS = { 'content-type': 'application/json', authorization: `Bearer ${KEY}` };
const SSE = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache, no-transform' };

export const CLIENTS: Readonly<Record<string, (origin: string) => Promise<Client>>> = {
  'node:http': bareHttp,
  undici: bareUndici,
  'axios, keep-alive': bareAxios,
  'openai SDK': openaiSdk,
  'AI SDK': aiSdk,
  'this package': (origin) => thisPackage(origin),
  'this package, Redis': (origin) =>
    thisPackage(origin, { cluster: { redis: process.env['BENCH_REDIS'] ?? '' } }),
  'this package, gateway': gateway,
};

function bareHttp(origin: string): Promise<Client> {
  const agent = new http.Agent({ keepAlive: true });
  const send = (body: unknown, onResponse: (answer: http.IncomingMessage) => void): void => {
    http
      .request(`${origin}/chat/completions`, { method: 'POST', agent, headers: HEADERS }, onResponse)
      .end(JSON.stringify(body));
  };
  return Promise.resolve({
    whole: (req, res) =>
      send(req.body, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => res.json(JSON.parse(Buffer.concat(parts).toString())));
      }),
    streamed: (req, res) =>
      send(req.body, (answer) => {
        res.writeHead(200, SSE);
        answer.pipe(res);
      }),
  });
}

async function bareUndici(origin: string): Promise<Client> {
  const { Pool } = await import('undici');
  const pool = new Pool(origin);
  const send = (body: unknown) =>
    pool.request({ path: '/chat/completions', method: 'POST', headers: HEADERS, body: JSON.stringify(body) });
  return {
    whole: async (req, res) => void res.json(await (await send(req.body)).body.json()),
    streamed: async (req, res) => {
      const { body } = await send(req.body);
      res.writeHead(200, SSE);
      body.pipe(res);
    },
  };
}

function bareAxios(origin: string): Promise<Client> {
  const instance = axios.create({
    baseURL: origin,
    headers: HEADERS,
    httpAgent: new http.Agent({ keepAlive: true }),
  });
  return Promise.resolve({
    whole: async (req, res) => void res.json((await instance.post('/chat/completions', req.body)).data),
    streamed: async (req, res) => {
      const { data } = await instance.post<NodeJS.ReadableStream>('/chat/completions', req.body, {
        responseType: 'stream',
      });
      res.writeHead(200, SSE);
      data.pipe(res);
    },
  });
}

async function openaiSdk(origin: string): Promise<Client> {
  const { default: OpenAI } = await import('openai');
  const client = new OpenAI({ apiKey: KEY, baseURL: origin });
  return {
    whole: async (req, res) =>
      void res.json(await client.chat.completions.create(req.body as ChatCompletionCreateParamsNonStreaming)),
    streamed: async (req, res) => {
      const body = { ...(req.body as object), stream: true } as ChatCompletionCreateParamsStreaming;
      const stream = await client.chat.completions.create(body);
      res.writeHead(200, SSE);
      for await (const chunk of stream) res.write(`data: ${JSON.stringify(chunk)}\n\n`);
      res.end('data: [DONE]\n\n');
    },
  };
}

async function aiSdk(origin: string): Promise<Client> {
  const { generateText, streamText } = await import('ai');
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
  const model = createOpenAICompatible({ name: 'bench', baseURL: origin, apiKey: KEY })('gpt-4o-mini');
  const ask = (req: Request) => ({ model, messages: messagesOf(req), allowSystemInMessages: true });
  return {
    whole: async (req, res) => {
      const { text, usage } = await generateText(ask(req));
      res.json({ text, usage });
    },
    streamed: async (req, res) => {
      res.writeHead(200, SSE);
      for await (const text of streamText(ask(req)).textStream)
        res.write(`data: ${JSON.stringify({ text })}\n\n`);
      res.end('data: [DONE]\n\n');
    },
  };
}

function messagesOf({ body }: Request): ModelMessage[] {
  return (body as { messages: ModelMessage[] }).messages;
}

async function thisPackage(origin: string, more: Partial<BalancerConfig> = {}): Promise<Client> {
  const { createBalancer, aiBalancer } = await import('../../lib');
  const balancer = createBalancer(configFor(origin, more));
  await balancer.ready();
  const middleware = aiBalancer(balancer);
  return {
    whole: (req, res) => {
      middleware(req, res, () => {
        req.ai.chat(req.body as ChatBody).then((answer) => res.json(answer), res.destroy.bind(res));
      });
    },
    streamed: (req, res) =>
      void middleware(
        req,
        res,
        () => void req.ai.chat({ ...(req.body as ChatBody), stream: true }).pipe(res),
      ),
  };
}

async function gateway(origin: string): Promise<Client> {
  const { createBalancer, aiGateway } = await import('../../lib');
  const none = (): void => undefined;
  return {
    whole: none,
    streamed: none,
    gateway: aiGateway(createBalancer(configFor(origin)), { authenticate: false }),
  };
}

function configFor(baseURL: string, more: Partial<BalancerConfig> = {}): BalancerConfig {
  return {
    logger: false,
    endpoints: ['a', 'b'].map((name) => ({
      name,
      model: 'gpt-4o-mini',
      baseURL,
      apiKey: `${KEY}-${name}`,
      rpm: 10_000_000,
      tpm: 10_000_000_000,
    })),
    ...more,
  };
}
