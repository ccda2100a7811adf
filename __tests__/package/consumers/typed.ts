import express from 'express';
import { type AICall, aiBalancer, type ChatCompletion, holysheep, smartRouter } from 'express-ai-balancer';
import { type SimulatedProvider, startProvider } from 'express-ai-balancer/simulator';

async function main(): Promise<void> {
  const provider: SimulatedProvider = await startProvider({ timeScale: 0, errorShare: 0 });
  const app = express();
  const ai = aiBalancer({ endpoints: holysheep({ apiKey: 'k', models: ['gpt-4o'], baseURL: provider.url }) });
  app.use(ai);
  app.post('/', smartRouter(ai.balancer, { priority: 5 }), async (req, res) => {
    const call: AICall<ChatCompletion> = req.ai.chat({ messages: [{ role: 'user', content: 'hi' }] });
    res.json(await call);
  });
  // An option that is undefined is as good as absent, also with exactOptionalPropertyTypes.
  void (() =>
    aiBalancer(
      {
        endpoints: [{ name: 'a', model: 'gpt-4o', apiKey: process.env.OPENAI_API_KEY }],
        cluster: { redis: { host: process.env.REDIS_HOST } },
      },
      { router: { context: (req) => ({ tenant: req.get('x-tenant') }) } },
    ));
  // @ts-expect-error an unknown option does not compile
  void (() => smartRouter(ai.balancer, { prority: 5 }));
  const answer = await ai.balancer.chat({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] });
  const text: string | null | undefined = answer.choices[0]?.message.content;
  await ai.balancer.close();
  await provider.close();
  console.log(typeof text === 'string' ? 'typed works' : 'no text');
}

void main();
