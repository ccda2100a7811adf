// A helpdesk that answers with AI, in one file. Run it with `npx tsx examples/basic/helpdesk.ts`.
// It uses the real provider if HOLYSHEEP_API_KEY is set, and a simulated one otherwise.
import type { AddressInfo } from 'node:net';
import express, { type Express } from 'express';
import { aiBalancer, type Balancer, type EndpointConfig, holysheep } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

const MODELS = ['gpt-4o-mini', 'deepseek-chat'];
const SYSTEM = { role: 'system', content: 'You answer customers of a web shop in two friendly sentences.' };

/** Two models of one key, or the same two of a simulated provider. */
export async function createEndpoints(apiKey = process.env.HOLYSHEEP_API_KEY): Promise<EndpointConfig[]> {
  if (apiKey) return holysheep({ apiKey, models: MODELS });
  const provider = await startProvider({
    models: { 'gpt-4o-mini': {}, 'deepseek-chat': {} },
    timeScale: 0.2,
  });
  return holysheep({ apiKey: 'simulated', models: MODELS, baseURL: provider.url });
}

export function createHelpdesk(endpoints: EndpointConfig[]): Express & { balancer: Balancer } {
  const app = express();
  const ai = aiBalancer({ endpoints });
  app.use(express.json());
  app.use(ai);

  // A whole answer. Express answers a rejection with the error's status and Retry-After.
  app.post('/ask', async (req, res) => {
    const { question } = req.body as { question: string };
    const messages = [SYSTEM, { role: 'user', content: question }];
    const answer = await req.ai.chat({ model: 'gpt-4o-mini', messages }, { priority: 4 });
    res.json({ answer: answer.choices[0]?.message.content });
  });

  // The same answer as server-sent events, while it is generated.
  app.post('/ask/live', async (req, res) => {
    const { question } = req.body as { question: string };
    const messages = [SYSTEM, { role: 'user', content: question }];
    await req.ai.chat({ model: 'gpt-4o-mini', messages, stream: true }).pipe(res);
  });

  app.get('/stats', (_req, res) => {
    res.json(ai.balancer.stats());
  });
  return Object.assign(app, { balancer: ai.balancer });
}

async function main(): Promise<void> {
  const app = createHelpdesk(await createEndpoints());
  const server = app.listen(Number(process.env.PORT ?? 3000), () => {
    const { port } = server.address() as AddressInfo;
    console.log(
      `curl localhost:${port}/ask -H 'content-type: application/json' -d '{"question":"Where is my parcel?"}'`,
    );
  });
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/helpdesk\.\w+$/.test(process.argv[1] ?? '')) void main();
