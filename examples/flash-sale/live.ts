import { AiBalancerError, createBalancer, type EndpointConfig, holysheep, openai } from 'express-ai-balancer';

const QUESTIONS = [
  'My parcel says delivered, but I have nothing. What now?',
  'Can I return shoes that I wore once?',
  'Do you ship to Norway, and how long does it take?',
];

/** Sends a few real calls with the keys from the environment. Returns the exit code. */
export async function runLive(): Promise<number> {
  const endpoints = liveEndpoints();
  if (endpoints.length === 0) {
    console.error('--live needs a key: set HOLYSHEEP_API_KEY or OPENAI_API_KEY. Nothing was sent.');
    return 1;
  }
  const balancer = createBalancer({ endpoints });
  let failed = 0;
  for (const question of QUESTIONS) {
    try {
      const { data, route } = await balancer
        .chat({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: question }], max_tokens: 80 })
        .withRoute();
      const cost = route.costUsd === undefined ? '' : `, $${route.costUsd.toFixed(6)}`;
      console.log(`\n${question}\n  ${data.choices[0]?.message.content ?? ''}`);
      console.log(`  by ${route.endpoint} (${route.model}) in ${Math.round(route.totalMs)} ms${cost}`);
    } catch (error) {
      failed += 1;
      // Error messages never contain a key.
      console.error(
        `\n${question}\n  ${error instanceof AiBalancerError ? `${error.code}: ${error.message}` : 'failed'}`,
      );
    }
  }
  await balancer.close();
  return failed === 0 ? 0 : 1;
}

function liveEndpoints(): EndpointConfig[] {
  const { HOLYSHEEP_API_KEY, OPENAI_API_KEY } = process.env;
  return [
    ...(HOLYSHEEP_API_KEY ? holysheep({ apiKey: HOLYSHEEP_API_KEY }) : []),
    ...(OPENAI_API_KEY ? openai({ apiKey: OPENAI_API_KEY }) : []),
  ];
}
