import Bottleneck from 'bottleneck';
import type { EndpointHandle } from 'express-ai-balancer';
import { TPM, useFakeClock, VirtualKey } from './virtual-key';

/** A provider that admits exactly the configured limits and sends no rate limit headers. */
const STRICT = { bucketSeconds: 10, sendsRateLimitHeaders: false, tokensCharged: 'reserved' as const };
const CALL = { prompt: 700, output: 200 };
const TOKENS = CALL.prompt + CALL.output;

function tokensOf(handle: EndpointHandle): Bottleneck {
  const { tokens } = handle.limiters;
  if (!tokens) throw new Error('the endpoint has no limit of tokens');
  return tokens;
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  await jest.advanceTimersByTimeAsync(ms);
  return promise;
}

describe('The limiters of balancer.endpoint(name)', () => {
  useFakeClock();

  const start = (endpoint = {}, provider = {}) => {
    const key = new VirtualKey({ ...STRICT, ...provider }, { rpm: 600, ...endpoint });
    const handle = key.balancer.endpoint('main');
    return { key, handle, tokens: tokensOf(handle), left: () => key.balancer.stats().endpoints[0]! };
  };

  it('exist for each limit per minute and stay the same objects, also after a reload', async () => {
    const { key, handle, tokens } = start();
    expect(tokens).toBeInstanceOf(Bottleneck);
    expect(Object.keys(handle.limiters)).toEqual(['requests', 'tokens']);
    expect(key.balancer.endpoint('main').limiters.tokens).toBe(tokens);
    expect(() => JSON.stringify(handle)).not.toThrow();
    await key.balancer.close();
  });

  it('are absent without a limit, and count input and output separately if the limits do', async () => {
    const key = new VirtualKey({}, { tpm: { input: 1_000, output: 100 } });
    expect(Object.keys(key.balancer.endpoint('main').limiters)).toEqual(['input', 'output']);
    await key.balancer.close();
  });

  it('show what the balancer has left and what it uses', async () => {
    const { key, tokens, left } = start();
    const full = await tokens.currentReservoir();
    expect(full).toBe(left().tokensLeft);
    await within(key.chat(), 5_000);
    const used = full! - (await tokens.currentReservoir())!;
    expect(await tokens.currentReservoir()).toBe(left().tokensLeft);
    expect(used).toBeGreaterThanOrEqual(0);
    const busy = key.chat(700, 200, 300);
    await jest.advanceTimersByTimeAsync(1);
    expect(await tokens.currentReservoir()).toBeLessThanOrEqual(full! - 990);
    await within(busy, 5_000);
    await key.balancer.close();
  });

  it('take quota from the balancer with incrementReservoir(), so that its calls wait and report for how long', async () => {
    const { key, tokens, left } = start();
    const before = left().tokensLeft!;
    expect(await tokens.incrementReservoir(-3_000)).toBe(before - 3_000);
    expect(left().tokensLeft).toBe(before - 3_000);
    expect(await tokens.incrementReservoir(1_000)).toBe(before - 2_000);
    await tokens.incrementReservoir(-2_900);
    const { waitMs = 0 } = key.balancer.explain({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'x' }],
    });
    expect(waitMs).toBeGreaterThan(0);
    await expect(tokens.incrementReservoir(Number.NaN)).rejects.toMatchObject({ code: 'ERR_AI_BAD_REQUEST' });
    await key.balancer.close();
  });

  it('never hold more than the depth, whatever is returned to them', async () => {
    const { key, tokens, left } = start();
    const full = left().tokensLeft;
    expect(await tokens.incrementReservoir(50_000)).toBe(full);
    await key.balancer.close();
  });

  it('run a waiting job as soon as the bucket has refilled, even a job larger than the bucket', async () => {
    const { key, tokens } = start();
    await tokens.incrementReservoir(-4_500);
    const startedAt = performance.now();
    const job = tokens.schedule({ weight: 1_200 }, () => Promise.resolve(performance.now() - startedAt));
    await jest.advanceTimersByTimeAsync(5_000);
    const waitedMs = await job;
    // 400 of 4,900 tokens are left, 490 are refilled per second, and 400 ms of the limit stay in the bucket.
    expect(waitedMs).toBeGreaterThan(2_000);
    expect(waitedMs).toBeLessThan(2_300);
    const large = tokens.schedule({ weight: 6_000 }, () => tokens.currentReservoir());
    // The job leaves a debt, which the refill pays off.
    expect(await within(large, 30_000)).toBeLessThan(0);
    await key.balancer.close();
  });

  it('return the units granted to a job that then left the queue', async () => {
    const { key, tokens, left } = start();
    const full = left().tokensLeft;
    await tokens.incrementReservoir(-full!);
    const jobs = [1, 2].map(() =>
      tokens.schedule({ weight: 400 }, () => Promise.resolve()).catch(() => 'dropped'),
    );
    await jest.advanceTimersByTimeAsync(100);
    await within(tokens.stop(), 100);
    expect(await Promise.all(jobs)).toEqual(['dropped', 'dropped']);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(left().tokensLeft).toBe(full);
    await key.balancer.close();
  });

  it('run jobs in the order of their priority', async () => {
    const { key, tokens } = start();
    await tokens.incrementReservoir(-4_900);
    const order: string[] = [];
    const job = (name: string, priority: number) =>
      tokens.schedule({ weight: 500, priority }, () => Promise.resolve(order.push(name)));
    const jobs = [job('later', 9)];
    await jest.advanceTimersByTimeAsync(100);
    jobs.push(job('first', 1));
    await within(Promise.all(jobs), 10_000);
    expect(order).toEqual(['first', 'later']);
    await key.balancer.close();
  });

  it('start no job while a 429 cools the quota down', async () => {
    const { key, tokens, left } = start();
    key.upstream.takeExternally({ prompt: 4_990, output: 10 }, 10);
    const call = key.chat(700, 200, 200);
    await jest.advanceTimersByTimeAsync(500);
    const until = left().cooldownUntil!;
    expect(until).toBeGreaterThan(Date.now());
    const job = tokens.schedule({ weight: 1 }, () => Promise.resolve(Date.now()));
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await job).toBeGreaterThanOrEqual(until);
    await within(call, 10_000);
    await key.balancer.close();
  });

  it('say whether a job could start now', async () => {
    const { key, tokens } = start();
    expect(await within(tokens.check(), 10)).toBe(true);
    expect(await within(tokens.check(100), 10)).toBe(true);
    await tokens.incrementReservoir(-4_900);
    expect(await within(tokens.check(), 10)).toBe(false);
    await key.balancer.close();
  });

  it('are without a limit once a reload has removed it', async () => {
    const { key, tokens } = start();
    await key.balancer.reload({
      endpoints: [
        { name: 'main', model: 'gpt-4o', apiKey: 'sk-test', baseURL: 'http://upstream.invalid/v1' },
      ],
    });
    expect(await tokens.currentReservoir()).toBeNull();
    await key.balancer.close();
  });

  it('keep serving jobs when other settings change or single listeners are removed', async () => {
    const { key, tokens } = start();
    tokens.updateSettings();
    tokens.updateSettings({ maxConcurrent: 100 });
    for (const event of ['queued', 'scheduled', 'error']) tokens.removeAllListeners(event);
    const jobs = [1, 2].map((n) => tokens.schedule({ weight: 10 }, () => Promise.resolve(n)));
    expect(await within(Promise.all(jobs), 1_000)).toEqual([1, 2]);
    await key.balancer.close();
  });

  it('cannot be detached from the quota', async () => {
    const { key, tokens } = start();
    expect(() => tokens.updateSettings({ reservoir: 1_000_000 })).toThrow(/reservoir: .*rpm or tpm/);
    tokens.removeAllListeners();
    await expect(
      within(
        tokens.schedule({ weight: 10 }, () => Promise.resolve('ran')),
        100,
      ),
    ).resolves.toBe('ran');
    await key.balancer.close();
  });

  it('leave no timer running when no job waits', async () => {
    const { key, tokens } = start();
    const timers = jest.getTimerCount();
    await within(
      tokens.schedule({ weight: 10 }, () => Promise.resolve()),
      1_000,
    );
    await within(tokens.incrementReservoir(-4_000), 1_000);
    expect(jest.getTimerCount()).toBe(timers);
    await key.balancer.close();
  });

  it.each([
    ['as large as the calls', TOKENS, 1],
    ['three times as large as the calls', 3 * TOKENS, 1 / 3],
    ['a tenth as large as the calls', TOKENS / 10, 10],
  ])(
    'share the quota evenly between calls and jobs without a 429 while both saturate it, with jobs %s',
    async (_size, weight) => {
      const { key, tokens } = start({ rpm: 6_000 }, { rpm: 6_000 });
      let jobTokens = 0;
      let isOver = false;
      const work = async (): Promise<void> => {
        while (!isOver) {
          await tokens.schedule({ weight }, () => {
            key.upstream.takeExternally({ prompt: weight - 10, output: 10 }, 10);
            jobTokens += weight;
            return Promise.resolve();
          });
        }
      };
      const workers = [1, 2, 3].map(() => work().catch(() => undefined));
      const minutes = 4;
      const calls = Array.from({ length: 50 }, async () => {
        while (!isOver) await key.chat(CALL.prompt, CALL.output, CALL.output).catch(() => undefined);
      });
      await jest.advanceTimersByTimeAsync(minutes * 60_000);
      const callTokens = key.upstream.seen.tokens;
      isOver = true;
      await within(key.balancer.close({ graceMs: 0 }), 1_000);
      await jest.advanceTimersByTimeAsync(60_000);
      await Promise.all([...workers, ...calls]);
      expect([key.upstream.refused, key.upstream.refusedExternal]).toEqual([0, 0]);
      expect((callTokens + jobTokens) / (minutes * TPM)).toBeGreaterThan(0.95);
      expect(jobTokens / (callTokens + jobTokens)).toBeGreaterThan(0.4);
      expect(jobTokens / (callTokens + jobTokens)).toBeLessThan(0.6);
    },
  );
});
