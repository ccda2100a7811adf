import { type Balancer, type BalancerConfig, createBalancer, type EndpointConfig } from 'express-ai-balancer';
import { timedAxios } from './timed-axios';

const MESSAGES = [{ role: 'user' as const, content: 'Where is my parcel?' }];
const LATENCY = { firstTokenMs: 50, msPerPromptToken: 0, msPerOutputToken: 0.5 };
const MODELS = { m: { latency: LATENCY }, n: { latency: LATENCY } };

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const TIERS: EndpointConfig[] = ['first', 'second'].map((name, tier) => ({
  name,
  model: 'm',
  tier,
  baseURL: `http://${name}.test/v1`,
}));

/** A balancer whose calls take as long at a host as the function says. */
function balancerOver(
  latencyMs: (host: string, text: string) => number,
  config: BalancerConfig = { endpoints: TIERS, hedge: false },
): Balancer {
  const http = timedAxios(({ hostname }, body) => latencyMs(hostname.replace('.test', ''), body));
  return createBalancer({
    logger: false,
    models: MODELS,
    http: { axios: http },
    ...config,
  });
}

/** Makes a call and lets the time pass until it ends. Resolves to its text, or to its error's code. */
async function ask(balancer: Balancer, content: string, timeoutMs: number, maxTokens = 1_000) {
  const body = { model: 'm', max_tokens: maxTokens, messages: [{ role: 'user' as const, content }] };
  const call = balancer.chat(body, { timeoutMs }).then(
    (answer) => answer.choices[0]?.message.content,
    (error: unknown) => (error as { code: string }).code,
  );
  await jest.advanceTimersByTimeAsync(timeoutMs + 100);
  return call;
}

const stateOf = (balancer: Balancer, name: string) =>
  balancer.stats().endpoints.find((endpoint) => endpoint.name === name)?.state;

describe('Attempts that end early because of the deadline of their call', () => {
  it('do not open the breaker of an endpoint that serves other calls', async () => {
    const balancer = balancerOver((_host, text) => (text.includes('story') ? 4_000 : 200));
    for (let call = 0; call < 8; call++) {
      expect(await ask(balancer, 'short', 10_000, 50)).toBe('Tomorrow.');
      expect(await ask(balancer, 'a long story', 2_500)).toBe('ERR_AI_DEADLINE');
      expect(stateOf(balancer, 'first')).toBe('closed');
    }
    const { failures } = balancer.stats().endpoints[0] ?? {};
    expect(failures).toBe(0);
    await balancer.close();
  });

  it('open the breaker of an endpoint that answers no attempt', async () => {
    const balancer = balancerOver((host) => (host === 'first' ? 1e9 : 60));
    const opened = new Promise((resolve) => balancer.on('breaker', resolve));
    for (let call = 0; call < 20; call++)
      expect(await ask(balancer, `question ${call}`, 2_000, 50)).toBe('Tomorrow.');
    expect(await opened).toMatchObject({ endpoint: 'first', state: 'open' });
    void balancer.close();
    await jest.runOnlyPendingTimersAsync();
  });
});

describe('An attempt beside which another endpoint could serve the call', () => {
  it('is not ended at once if both endpoints are expected to be slow', async () => {
    const latency = (ms: number) => ({
      latency: { firstTokenMs: ms, msPerPromptToken: 0, msPerOutputToken: 0 },
    });
    const balancer = balancerOver((host) => (host === 'first' ? 100 : 1_900), {
      models: { m: latency(4_000), n: latency(1_900) },
      endpoints: [
        { name: 'first', model: 'm', baseURL: 'http://first.test/v1' },
        { name: 'second', model: 'n', baseURL: 'http://second.test/v1' },
      ],
      fallbacks: { m: ['n'] },
      hedge: false,
    });
    const call = balancer.chat({ model: 'm', messages: MESSAGES }, { timeoutMs: 2_000 }).withRoute();
    await jest.advanceTimersByTimeAsync(2_100);
    const { route } = await call;
    expect(route.attempts.map(({ endpoint, class: failure }) => [endpoint, failure])).toEqual([
      ['first', undefined],
    ]);
    await balancer.close();
  });

  it.each([
    ['chat', 30_000],
    ['embeddings', 15_000],
  ])(
    'counts against its endpoint after half of the configured timeout, although that answers others: %s',
    async (operation, limitMs) => {
      const balancer = balancerOver((host, text) => (host === 'first' && text.includes('hang') ? 1e9 : 100), {
        endpoints: TIERS,
        hedge: false,
        // The attempt begins some time after its call.
        hooks: { before: () => new Promise((resolve) => setTimeout(resolve, 20)) },
      });
      const input = { model: 'm', input: 'hang' };
      const send = (content: string) => balancer.chat({ model: 'm', messages: [{ role: 'user', content }] });
      const hung =
        operation === 'chat' ? send('hang') : balancer.embeddings(input).catch((error: unknown) => error);
      for (let ms = 0; ms < limitMs - 500; ms += 500) {
        void send('short');
        await jest.advanceTimersByTimeAsync(500);
      }
      // A later success would reset the count of failures.
      await jest.advanceTimersByTimeAsync(1_500);
      await hung;
      expect(balancer.stats().endpoints[0]?.failures).toBe(1);
      await balancer.close();
    },
  );
});

describe('A provider with two keys that becomes slow', () => {
  const keys = ['key-1', 'key-2'].map((name) => ({ name, model: 'm', baseURL: 'http://slow.test/v1' }));
  const other = { name: 'other', model: 'n', baseURL: 'http://fast.test/v1' };

  it.each([true, false])('does not keep a call from its fallback: hedges on %s', async (hedge) => {
    const balancer = balancerOver((host) => (host === 'slow' ? 10_000 : 200), {
      endpoints: [...keys, other],
      fallbacks: { m: ['n'] },
      ...(hedge ? {} : { hedge: false }),
    });
    for (let call = 0; call < 5; call++)
      expect(await ask(balancer, `question ${call}`, 8_000, 1_000)).toBe('Tomorrow.');
    await balancer.close();
  });
});
