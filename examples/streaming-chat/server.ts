// A helpdesk page that shows answers as they are written, and has a stop button. `npx tsx examples/streaming-chat/server.ts`
// With HOLYSHEEP_API_KEY set the answers are real; without it two simulated providers give them.
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import express, { type Express } from 'express';
import {
  aiBalancer,
  type Balancer,
  type ChatMessage,
  type EndpointConfig,
  holysheep,
} from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

const MODEL = 'gpt-4o-mini';
const SPARE = 'deepseek-chat';
const SYSTEM = {
  role: 'system',
  content: 'You answer customers of a web shop, kindly and in a few sentences.',
};
/** What a visitor may send: their own messages and the answers to them. */
const ROLES = ['user', 'assistant'];
const MAX_MESSAGES = 20;
const MAX_CHARACTERS = 4_000;

/** Beside the program. `__dirname` exists only in CommonJS, `import.meta.dirname` only in ES modules. */
const PUBLIC = join(dirname(process.argv[1] ?? ''), 'public');

/** The page: plain HTML, CSS and JavaScript. */
export function page(folder = PUBLIC): Express {
  const app = express();
  app.use((_req, res, next) => {
    res.set('content-security-policy', "default-src 'self'");
    next();
  });
  return app.use(express.static(folder));
}

export function helpdesk(endpoints: EndpointConfig[], folder = PUBLIC): Express & { balancer: Balancer } {
  const app = express();
  // A broken answer restarts at another endpoint; the page gets a restart event and clears its text.
  const ai = aiBalancer({ endpoints, stream: { recovery: 'restart' } });
  app.use(page(folder), express.json(), ai);

  app.post('/chat', async (req, res) => {
    const messages = visitorsMessages(req.body);
    if (!messages) {
      res.status(400).json({ error: { message: 'Please write a question.' } });
      return;
    }
    // A visitor who stops or leaves closes `res`, which ends the call at the provider.
    await req.ai.chat({ model: MODEL, messages: [SYSTEM, ...messages], stream: true }).pipe(res);
  });
  return Object.assign(app, { balancer: ai.balancer });
}

/** The last messages, if they have the form that the page sends. */
function visitorsMessages(body: unknown): ChatMessage[] | undefined {
  const { messages } = (body ?? {}) as { messages?: unknown };
  if (!Array.isArray(messages) || messages.length === 0) return undefined;
  const last: unknown[] = messages.slice(-MAX_MESSAGES);
  return last.every(isVisitorMessage) ? last : undefined;
}

function isVisitorMessage(message: unknown): message is ChatMessage {
  const { role, content } = (message ?? {}) as Record<string, unknown>;
  return (
    ROLES.includes(role as string) &&
    typeof content === 'string' &&
    content.trim() !== '' &&
    content.length <= MAX_CHARACTERS
  );
}

/** Two models behind one key, or two simulated providers. */
async function endpoints(apiKey = process.env.HOLYSHEEP_API_KEY): Promise<EndpointConfig[]> {
  if (apiKey) return holysheep({ apiKey, models: [MODEL, SPARE] });
  const main = await startProvider({ models: { [MODEL]: { msPerOutputToken: 40 } }, reply });
  const spare = await startProvider({ models: { [SPARE]: { msPerOutputToken: 40 } }, reply });
  // Now and then an answer breaks off, so that you can see what the page does.
  main.fault({ kind: 'cut', share: 0.25 });
  const key = { apiKey: 'simulated' };
  return [
    { ...key, name: 'main', model: MODEL, baseURL: main.url },
    { ...key, name: 'spare', model: SPARE, baseURL: spare.url },
  ];
}

function reply(): string {
  return (
    'Thank you for writing to us. Your parcel left our house yesterday evening and is with the carrier now; it ' +
    'should be with you tomorrow before noon.\n\nIf nobody is at home, the driver leaves it with a neighbour or at ' +
    'the nearest parcel shop and puts a card in your letter box. Would you like me to send you the tracking number?'
  );
}

async function main(): Promise<void> {
  const server = helpdesk(await endpoints()).listen(Number(process.env.PORT ?? 3000), () => {
    console.log(`http://localhost:${(server.address() as AddressInfo).port}`);
  });
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/server\.\w+$/.test(process.argv[1] ?? '')) void main();
