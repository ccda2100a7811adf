import { endpointAt, HELLO, Rig } from '../helpers/provider';

const rig = new Rig();

it('Balancer: an endpoint with far too high configured limits stays in use when headers show its real limits', async () => {
  const provider = await rig.provider({ models: { 'gpt-4o': { rpm: 1_000, tpm: 100_000 } } });
  const balancer = rig.balancer([endpointAt(provider, { rpm: 60_000, tpm: 6_000_000 })]);
  await Promise.all([1, 2, 3, 4, 5].map(() => balancer.chat(HELLO)));
  const { requestsLeft, tokensLeft } = balancer.stats().endpoints[0]!;
  expect(requestsLeft).toBeGreaterThan(100);
  expect(requestsLeft).toBeLessThan(1_000);
  expect(tokensLeft).toBeGreaterThan(5_000);
  expect(tokensLeft).toBeLessThan(100_000);
  for (let call = 0; call < 20; call += 1) await balancer.chat(HELLO, { timeoutMs: 5_000 });
  expect(provider.stats()).toMatchObject({ answered: 25, rateLimited: 0 });
});
