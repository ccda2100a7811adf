// A service with plans: free customers get few requests per minute and little money, paying ones more, and nobody slows the
// others down. Run it with `npx tsx examples/multi-tenant/plans.ts`: it uses a simulated provider.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express, { type Express, type Request } from 'express';
import { aiBalancer, type Balancer, type EndpointConfig, rateLimitGuard } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

const PLANS = {
  free: { rpm: 3, usdPerDay: 0.1, priority: 2 },
  business: { rpm: 60, usdPerDay: 20, priority: 4 },
} as const;

/** Who the customers are: a database in a real service. */
const CUSTOMERS = new Map<string, keyof typeof PLANS>([
  ['ada', 'free'],
  ['bob', 'business'],
]);

const planOf = (tenant = '') => PLANS[CUSTOMERS.get(tenant) ?? 'free'];
/** Behind your login; a header is enough to show it. */
const customerOf = (req: Request) => req.get('x-customer');

export function createService(endpoints: EndpointConfig[]): Express & { balancer: Balancer } {
  const app = express();
  const ai = aiBalancer({ endpoints });
  app.use(express.json(), ai);
  const guard = rateLimitGuard(ai.balancer, {
    tenant: customerOf,
    rpm: (tenant) => planOf(tenant).rpm,
    usdPerDay: (tenant) => planOf(tenant).usdPerDay,
    priority: (req) => planOf(customerOf(req)).priority,
  });
  app.post('/ask', guard, async (req, res) => {
    const { question } = req.body as { question: string };
    const messages = [{ role: 'user', content: question }];
    const answer = await req.ai.chat({ model: 'gpt-4o-mini', messages });
    res.json({ answer: answer.choices[0]?.message.content, priority: req.ai.context.priority });
  });
  return Object.assign(app, { balancer: ai.balancer });
}

async function main(): Promise<void> {
  const provider = await startProvider({ models: { 'gpt-4o-mini': {} }, timeScale: 0.1 });
  const app = createService([
    { name: 'main', model: 'gpt-4o-mini', baseURL: provider.url, apiKey: 'simulated' },
  ]);
  const server = app.listen(0);
  await once(server, 'listening');
  const url = `http://localhost:${(server.address() as AddressInfo).port}/ask`;
  for (const customer of ['ada', 'ada', 'ada', 'ada', 'bob']) {
    const headers = { 'content-type': 'application/json', 'x-customer': customer };
    const body = JSON.stringify({ question: 'Where is my parcel?' });
    const response = await fetch(url, { method: 'POST', headers, body });
    console.log(customer, response.status, response.headers.get('ratelimit') ?? '');
  }
  server.close();
  await app.balancer.close();
  await provider.close();
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/plans\.\w+$/.test(process.argv[1] ?? '')) void main();
