import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { aiBalancer, aiDashboard, type Balancer, type EndpointConfig } from 'express-ai-balancer';
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

/** One key of a shop without the balancer. */
export interface Key {
  baseURL: string;
  model: string;
}

/**
 * The shop with the balancer: an Express app with `app.use(aiBalancer(...))`, and the live page at `/`.
 *
 * @param panel Serves the demo's own part of the page, below /sale.
 * @param port Any other one is taken if it is in use.
 */
export async function openBalancedShop(
  endpoints: EndpointConfig[],
  { panel, port }: { panel?: RequestHandler; port?: number | undefined } = {},
): Promise<Shop & { balancer: Balancer }> {
  const app = express();
  const ai = aiBalancer({ endpoints });
  if (panel) app.use(panel);
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

  app.use(
    aiDashboard(ai.balancer, {
      // Everyone may do everything: the demo listens on this machine only.
      authorize: () => 'control',
      title: 'Flash sale',
      ...(panel ? { extension: { script: '/sale/panel.mjs', style: '/sale/panel.css' } } : {}),
    }),
  );
  app.use(sendError);

  const shop = await open(app, port);
  const close = async () => {
    await shop.close();
    await ai.balancer.close({ graceMs: 0 });
  };
  return { ...shop, close, balancer: ai.balancer };
}

/** The same shop with one key and the official client, which retries twice and obeys Retry-After. */
export function openOneKeyShop(key: Key): Promise<Shop> {
  return openRoundRobinShop([key]);
}

/** The same shop with several keys, which take turns. Each call stays at its key, with the retries of the official client. */
export async function openRoundRobinShop(keys: readonly Key[]): Promise<Shop> {
  const app = express();
  const clients = keys.map(({ baseURL, model }) => ({
    model,
    client: new OpenAI({ baseURL, apiKey: DEMO_KEY }),
  }));
  let calls = 0;
  app.use(express.json({ limit: '1mb' }));

  app.post('/helpdesk', async (req, res) => {
    const { client, model } = clients[calls++ % clients.length]!;
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

async function open(app: Express, wanted = 0): Promise<Shop> {
  const server = await listen(app, wanted).catch((error: unknown) => {
    if (wanted !== 0 && (error as { code?: string }).code === 'EADDRINUSE') return listen(app, 0);
    throw error;
  });
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, close };
}

function listen(app: Express, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = app.listen(port, '127.0.0.1');
    server.once('listening', () => resolve(server)).once('error', reject);
  });
}
