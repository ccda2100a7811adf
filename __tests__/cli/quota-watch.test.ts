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

test('QuotaWatch: exhausted quotas are listed in the order in which they first ran out, with their share of the run', () => {
  const watch = new QuotaWatch();
  watch.sample(stats(0, { a: [100, 1000], b: [100, 1000] }), 1);
  watch.sample(stats(0, { a: [3, 900], b: [100, 900] }), 2);
  watch.sample(stats(0, { a: [3, 900], b: [90, 0] }), 3);
  watch.sample(stats(0, { a: [2, 900], b: [90, 900] }), 4);
  expect(watch.shortages()).toEqual([
    { endpoint: 'a', quota: 'requests', per: 'minute', firstAtS: 2, share: 0.75 },
    { endpoint: 'b', quota: 'tokens', per: 'minute', firstAtS: 3, share: 0.25 },
  ]);
});

test('QuotaWatch: while calls wait in the queue, the scarcer quota of an endpoint counts as exhausted below half', () => {
  const watch = new QuotaWatch();
  watch.sample(stats(0, { a: [100, 1000], b: [100, 1000] }), 1);
  watch.sample(stats(0, { a: [60, 250], b: [100, 1000] }), 2);
  watch.sample(stats(9, { a: [60, 250], b: [100, 900] }), 3);
  expect(watch.shortages()).toEqual([
    { endpoint: 'a', quota: 'tokens', per: 'minute', firstAtS: 3, share: 1 / 3 },
  ]);
});

test('QuotaWatch: an endpoint without limits is never exhausted', () => {
  const watch = new QuotaWatch();
  watch.sample({ queue: { size: 5 }, endpoints: [{ name: 'a' }] } as unknown as BalancerStats, 1);
  expect(watch.shortages()).toEqual([]);
});

test('QuotaWatch: a quota counts as one per day if the attempts have used up rpd, or if its tokens never recover', () => {
  const watch = new QuotaWatch([
    { name: 'a', limits: { rpd: 50 } },
    { name: 'b', limits: { tpd: 1000 } },
    { name: 'c', limits: { tpd: 1_000_000 } },
  ]);
  watch.sample(stats(0, { a: [50, 100], b: [9, 1000], c: [9, 1000] }), 1, () => 0);
  watch.sample(stats(0, { a: [0, 100], b: [9, 0], c: [9, 0] }), 2, () => 50);
  watch.sample(stats(0, { a: [0, 100], b: [9, 0], c: [9, 900] }), 3, () => 50);
  expect(watch.shortages().map(({ endpoint, quota, per }) => [endpoint, quota, per])).toEqual([
    ['a', 'requests', 'day'],
    ['b', 'tokens', 'day'],
    ['c', 'tokens', 'minute'],
  ]);
});
