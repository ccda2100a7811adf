import { QuotaWatch } from '../../lib/cli/simulate/quota-watch';
import type { BalancerStats, EndpointStats } from '../../lib/index';

function stats(
  queue: number,
  left: Record<string, readonly [requests: number, tokens: number]>,
): BalancerStats {
  const endpoints = Object.entries(left).map(
    ([name, [requestsLeft, tokensLeft]]) => ({ name, requestsLeft, tokensLeft }) as EndpointStats,
  );
  return { queue: { size: queue }, endpoints } as unknown as BalancerStats;
}

test('the quota that was used up first comes first, with the part of the time in which it was', () => {
  const watch = new QuotaWatch();
  watch.sample(stats(0, { a: [100, 1000], b: [100, 1000] }), 1);
  watch.sample(stats(0, { a: [3, 900], b: [100, 900] }), 2);
  watch.sample(stats(0, { a: [3, 900], b: [90, 0] }), 3);
  watch.sample(stats(0, { a: [2, 900], b: [90, 900] }), 4);
  expect(watch.shortages()).toEqual([
    { endpoint: 'a', quota: 'requests', firstAtS: 2, share: 0.75 },
    { endpoint: 'b', quota: 'tokens', firstAtS: 3, share: 0.25 },
  ]);
});

test('while calls wait the scarcer quota holds them up, though some of it is kept in reserve', () => {
  const watch = new QuotaWatch();
  watch.sample(stats(0, { a: [100, 1000], b: [100, 1000] }), 1);
  watch.sample(stats(0, { a: [60, 250], b: [100, 1000] }), 2);
  watch.sample(stats(9, { a: [60, 250], b: [100, 900] }), 3);
  expect(watch.shortages()).toEqual([{ endpoint: 'a', quota: 'tokens', firstAtS: 3, share: 1 / 3 }]);
});

test('an endpoint without limits is never used up', () => {
  const watch = new QuotaWatch();
  watch.sample({ queue: { size: 5 }, endpoints: [{ name: 'a' }] } as unknown as BalancerStats, 1);
  expect(watch.shortages()).toEqual([]);
});
