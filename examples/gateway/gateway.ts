// One address for every program that uses OpenAI's API: here the `openai` client asks it, whole and streamed, with a key of the
// shop's own. Run it with `npx tsx examples/gateway/gateway.ts`: it uses a simulated provider.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express, { type Express } from 'express';
import { aiGateway, type Balancer, createBalancer } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';
import OpenAI from 'openai';

/** Keys of the gateway, never those of a provider, and whose calls they mark. */
const TENANTS = new Map([
  ['sk-shop', 'shop'],
  ['sk-office', 'office'],
]);

export function createGateway(balancer: Balancer): Express {
  const app = express();
  const gateway = aiGateway(balancer, {
    authenticate: (req) => TENANTS.get(req.get('authorization')?.replace(/^Bearer /, '') ?? ''),
    guard: { rpm: 60, usdPerDay: 5 },
  });
  app.use('/v1', gateway);
  return app;
}

/** Asks twice as any program would that knows only OpenAI's API. */
export async function ask(baseURL: string, apiKey: string, question: string): Promise<string[]> {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: question }];
  const whole = await client.chat.completions.create({ model: 'gpt-4o-mini', messages });
  let streamed = '';
  for await (const chunk of await client.chat.completions.create({
    model: 'gpt-4o-mini',
    messages,
    stream: true,
  }))
    streamed += chunk.choices[0]?.delta.content ?? '';
  return [whole.choices[0]?.message.content ?? '', streamed];
}

async function main(): Promise<void> {
  const provider = await startProvider({
    models: { 'gpt-4o-mini': {} },
    timeScale: 0.1,
    reply: () => 'On its way.',
  });
  const endpoint = { name: 'main', model: 'gpt-4o-mini', baseURL: provider.url, apiKey: 'simulated' };
  const balancer = createBalancer({ endpoints: [endpoint] });
  const server = createGateway(balancer).listen(0);
  await once(server, 'listening');
  const url = `http://localhost:${(server.address() as AddressInfo).port}/v1`;
  console.log(await ask(url, 'sk-shop', 'Where is my parcel?'));
  await ask(url, 'sk-wrong', 'Where is my parcel?').catch((error: unknown) => console.log(String(error)));
  server.close();
  await balancer.close();
  await provider.close();
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/gateway\.\w+$/.test(process.argv[1] ?? '')) void main();
