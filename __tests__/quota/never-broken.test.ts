import { TPM, useFakeClock, VirtualKey } from './virtual-key';

useFakeClock();

describe('150 calls of 900 tokens, 50 at a time, with a key of 30,000 tokens per minute', () => {
  test.each([
    ['the provider has a bucket of one minute and sends headers', {}, undefined, TPM],
    ['the provider has a bucket of 10 s and sends headers', { bucketSeconds: 10 }, undefined, TPM / 6],
    [
      'the provider has a bucket of 10 s and sends no headers',
      { bucketSeconds: 10, sendsRateLimitHeaders: false },
      undefined,
      TPM / 6,
    ],
    ['max_tokens is 800 and the provider charges only what is used', { bucketSeconds: 10 }, 800, TPM / 6],
    [
      'max_tokens is 800 and the provider charges all of it',
      { tokensCharged: 'reserved' as const },
      800,
      TPM,
    ],
  ] as const)('are all served without a 429 when %s', async (_name, description, maxTokens, depth) => {
    const key = new VirtualKey(description);
    const { upstream, balancer } = key;
    expect(await key.serve(150, maxTokens)).toBe(150);
    expect(upstream.refused).toBe(0);
    expect(upstream.seen.depthNeeded(TPM)).toBeLessThanOrEqual(depth);
    const charged = 'tokensCharged' in description ? 1_500 / 900 : 1;
    expect(upstream.seen.usedShare(TPM) * charged).toBeGreaterThan(0.9);
    await balancer.close();
  });
});

test('the balancer gets no 429 while another process uses half of the key, and uses the other half', async () => {
  const key = new VirtualKey();
  const others = setInterval(() => key.upstream.takeExternally({ prompt: 700, output: 200 }), 3_600);
  expect(await key.serve(300)).toBe(300);
  clearInterval(others);
  expect(key.upstream.refused).toBe(0);
  expect(key.upstream.refusedExternal).toBeLessThanOrEqual(1);
  expect(key.upstream.seen.usedShare(TPM)).toBeGreaterThan(0.45);
  await key.balancer.close();
});

test('a call that certainly exceeds the limit per minute is refused at once and delays no other call', async () => {
  const key = new VirtualKey();
  const tooLarge = key.chat(45_000);
  await expect(tooLarge).rejects.toMatchObject({ code: 'ERR_AI_NO_ENDPOINT' });
  await expect(tooLarge).rejects.toThrow(/tokens per minute/);
  const other = key.chat();
  await jest.advanceTimersByTimeAsync(5_000);
  await expect(other).resolves.toBeDefined();
  expect(key.upstream.attempts).toBe(1);
  await key.balancer.close();
});

test('a call whose estimate slightly exceeds the limit per minute is sent, as estimates tend to be too high', async () => {
  const key = new VirtualKey({ sendsRateLimitHeaders: false });
  const call = key.chat(31_000).catch((error: unknown) => error);
  await jest.advanceTimersByTimeAsync(5_000);
  await call;
  expect(key.upstream.attempts).toBe(1);
  await key.balancer.close();
});

test('a call larger than the depth starts once the bucket is full, and the next call waits until its debt is paid off', async () => {
  const key = new VirtualKey({ sendsRateLimitHeaders: false });
  const large = key.chat(9_000, 100, 100);
  await jest.advanceTimersByTimeAsync(5_000);
  await expect(large).resolves.toBeDefined();
  const next = key.chat();
  await jest.advanceTimersByTimeAsync(2_000);
  expect(key.upstream.attempts).toBe(1);
  await jest.advanceTimersByTimeAsync(15_000);
  await expect(next).resolves.toBeDefined();
  await key.balancer.close();
});
