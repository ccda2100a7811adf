import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { aiBalancer, type Balancer, type EndpointConfig } from 'express-ai-balancer';
import OpenAI from 'openai';
import { DEMO_KEY } from './fleet';

/** The body that a customer's browser posts to /helpdesk. */
export interface Ticket {
  question: string;
  maxTokens: number;
  expectedTokens: number;
  priority: 1 | 2 | 3 | 4 | 5;
  timeoutMs: number;
  /** Lengths for the simulator. A real shop has no such field. */
  metadata: Record<string, string>;
}

/** A running shop. */
export interface Shop {
  url: string;
  close(): Promise<void>;
}

const SYSTEM = 'You answer questions from customers of a web shop. Be friendly and brief.';
// Time for the answer to reach the browser.
const RESPONSE_MARGIN_MS = 100;

/** The shop with the balancer: an Express app with `app.use(aiBalancer(...))`. */
export async function openBalancedShop(endpoints: EndpointConfig[]): Promise<Shop & { balancer: Balancer }> {
  const app = express();
  const ai = aiBalancer({ endpoints });
  app.use(express.json({ limit: '1mb' }));
  app.use(ai);

  app.post('/helpdesk', async (req, res) => {
    const ticket = req.body as Ticket;
    const answer = await req.ai.chat(
      { model: 'auto', ...requestOf(ticket) },
      {
        priority: ticket.priority,
        maxLatencyMs: ticket.timeoutMs - RESPONSE_MARGIN_MS,
        estimatedOutputTokens: ticket.expectedTokens,
      },
    );
    res.json({ answer: answer.choices[0]?.message.content });
  });

  app.get('/stats', (_req, res) => {
    res.json(ai.balancer.stats());
  });
  app.use(sendError);

  const shop = await open(app);
  const close = async () => {
    await shop.close();
    await ai.balancer.close({ graceMs: 0 });
  };
  return { ...shop, close, balancer: ai.balancer };
}

/** The same shop with one key and the official client, which retries twice and obeys Retry-After. */
export async function openOneKeyShop(baseURL: string, model: string): Promise<Shop> {
  const app = express();
  const client = new OpenAI({ baseURL, apiKey: DEMO_KEY });
  app.use(express.json({ limit: '1mb' }));

  app.post('/helpdesk', async (req, res) => {
    const answer = await client.chat.completions.create({ model, ...requestOf(req.body as Ticket) });
    res.json({ answer: answer.choices[0]?.message.content });
  });
  app.use(sendError);
  return open(app);
}

function requestOf({ question, maxTokens, metadata }: Ticket) {
  const messages = [
    { role: 'system' as const, content: SYSTEM },
    { role: 'user' as const, content: question },
  ];
  return { messages, max_tokens: maxTokens, metadata };
}

const sendError: ErrorRequestHandler = (error: { status?: number; code?: string }, _req, res, next) => {
  if (res.headersSent) {
    next(error);
    return;
  }
  res.status(error.status ?? 502).json({ error: error.code ?? 'failed' });
};

async function open(app: Express): Promise<Shop> {
  const server = await new Promise<Server>((resolve, reject) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
    listening.once('error', reject);
  });
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, close };
}
