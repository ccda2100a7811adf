import { RecentLatency } from '../../lib/health/recent-latency';
import { answer, chatText, error, inSequence, Rig, statsOf } from '../failover/upstream';

const rig = new Rig();

describe('RecentLatency', () => {
  it('keeps an average in which the old value has a weight of 0.7', () => {
    const latency = new RecentLatency();
    expect(latency.averageMs).toBeUndefined();
    latency.add(100, 0);
    latency.add(200, 1);
    expect(latency.averageMs).toBeCloseTo(130);
    latency.add(130, 2);
    expect(latency.averageMs).toBeCloseTo(130);
  });

  it('has a peak that follows a slower answer at once and a faster one gradually', () => {
    const now = performance.now();
    const latency = new RecentLatency();
    latency.add(100, now);
    latency.add(900, now + 1);
    expect(latency.peakMs).toBe(900);
    latency.add(100, now + 1_001);
    expect(latency.peakMs).toBeCloseTo(100 + 800 * Math.exp(-0.1));
  });
});

describe('stats()', () => {
  it('reports as failures the failed attempts since the last success', async () => {
    const { balancer } = await rig.start({
      a: inSequence(error(500), error(429, {}, { 'retry-after-ms': '200' }), answer()),
      b: answer(),
    });
    await chatText(balancer, false);
    expect(statsOf(balancer, 'a').failures).toBe(1);
    await chatText(balancer, false);
    expect(statsOf(balancer, 'a').failures).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 230));
    await chatText(balancer, false);
    expect(statsOf(balancer, 'a').failures).toBe(0);
    expect(statsOf(balancer, 'a').averageLatencyMs).toBeGreaterThanOrEqual(0);
    expect(balancer.stats()).toMatchObject({ total: 2, healthy: 2, calls: { ok: 3, failed: 0, shed: 0 } });
  });

  it('shows in requestsLeft, tokensLeft and inFlight what a running call has reserved', async () => {
    const { balancer } = await rig.start({ a: answer() }, { each: { a: { rpm: 600, tpm: 60_000 } } });
    expect(statsOf(balancer, 'a')).toMatchObject({ requestsLeft: 98, tokensLeft: 9_800, inFlight: 0 });
    const call = balancer.chat({
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 5_000,
    });
    await Promise.resolve();
    expect(statsOf(balancer, 'a')).toMatchObject({ requestsLeft: 97, inFlight: 1 });
    expect(statsOf(balancer, 'a').tokensLeft).toBeLessThan(5_000);
    await call;
    expect(statsOf(balancer, 'a').tokensLeft).toBeGreaterThanOrEqual(9_785);
  });
});
