import axios, { type InternalAxiosRequestConfig } from 'axios';
import { type Balancer, createBalancer } from '../../lib/balancer/balancer';

/** Two endpoints that cache prompts and report cached tokens, as providers do. */
function cachingBalancer(answerMs: () => number = () => 0): {
  balancer: Balancer;
  counts: Record<string, number>;
} {
  const cached = new Set<string>();
  const counts: Record<string, number> = { a: 0, b: 0 };
  const adapter = (config: InternalAxiosRequestConfig) => {
    const name = new URL(config.url ?? '').hostname;
    const body = JSON.parse(String(config.data)) as { messages: { content: string }[] };
    const prefix = `${name} ${body.messages[0]!.content}`;
    const hit = cached.has(prefix);
    cached.add(prefix);
    counts[name] = (counts[name] ?? 0) + 1;
    const data = JSON.stringify({
      id: 'x',
      object: 'chat.completion',
      created: 0,
      model: 'gpt-4o',
      choices: [
        { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'ok', refusal: null } },
      ],
      usage: {
        prompt_tokens: 2_000,
        completion_tokens: 5,
        total_tokens: 2_005,
        prompt_tokens_details: { cached_tokens: hit ? 1_900 : 0 },
      },
    });
    const answer = { status: 200, statusText: '', headers: {}, config, data };
    return new Promise<typeof answer>((resolve) => setTimeout(() => resolve(answer), answerMs()));
  };
  const endpoint = (name: string) => ({ name, model: 'gpt-4o', baseURL: `http://${name}`, rpm: 6_000 });
  const endpoints = [endpoint('a'), endpoint('b')];
  return { balancer: createBalancer({ endpoints, http: { axios: axios.create({ adapter }) } }), counts };
}

const ask = (balancer: Balancer, content: string) =>
  balancer.chat({
    model: 'gpt-4o',
    messages: [
      { role: 'system', content },
      { role: 'user', content: 'hi' },
    ],
  });

describe('Calls that share a long prompt prefix', () => {
  it('go to the endpoint that has the prefix cached', async () => {
    const { balancer, counts } = cachingBalancer();
    const prompt = 'The terms and conditions of the shop. '.repeat(400);
    for (let n = 0; n < 20; n++) await ask(balancer, prompt);
    expect(Math.max(...Object.values(counts))).toBeGreaterThanOrEqual(18);
    await balancer.close();
  });

  it('are spread over both endpoints when many are sent at once', async () => {
    let answerMs = 0;
    const { balancer, counts } = cachingBalancer(() => answerMs);
    const prompt = 'The terms and conditions of the shop. '.repeat(400);
    for (let n = 0; n < 5; n++) await ask(balancer, prompt);
    // Long enough for all calls to be in flight at the same time.
    answerMs = 1_000;
    await Promise.all(Array.from({ length: 60 }, () => ask(balancer, prompt)));
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(15);
    await balancer.close();
  });
});
