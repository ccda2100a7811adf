import { AverageLatency } from '../../lib/health/average-latency';
import { FailureRate } from '../../lib/health/failure-rate';
import { answer, chatText, error, inSequence, Rig, statsOf } from '../failover/upstream';

const rig = new Rig();

describe('the average latency', () => {
  it('keeps 0.7 of the old', () => {
    const average = new AverageLatency();
    expect(average.ms).toBeUndefined();
    average.add(100);
    average.add(200);
    expect(average.ms).toBeCloseTo(130);
    average.add(130);
    expect(average.ms).toBeCloseTo(130);
  });
});

describe('the share of failures', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 0 });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('starts near nothing, rises with failures and sinks with time', () => {
    const share = new FailureRate();
    const now = performance.now();
    expect(share.value(now)).toBeCloseTo(0.003);
    share.add(true, now);
    expect(share.value(now)).toBeCloseTo(0.003 + 0.12 * 0.997);
    for (let n = 0; n < 100; n++) share.add(true, now);
    expect(share.value(now)).toBeGreaterThan(0.99);
    expect(share.value(now)).toBeLessThanOrEqual(1);
    expect(share.value(now + 10_000)).toBeCloseTo(0.003 + 0.997 / Math.E, 2);
    expect(share.value(now + 600_000)).toBeCloseTo(0.003);
    expect(share.value(now - 5_000)).toBeLessThanOrEqual(1);
  });
});

describe('stats', () => {
  it('count failures until a success', async () => {
    const { balancer } = await rig.start({
      a: inSequence(error(500), error(429, {}, { 'retry-after-ms': '1' }), answer()),
      b: answer(),
    });
    await chatText(balancer, false);
    expect(statsOf(balancer, 'a').failures).toBe(1);
    await chatText(balancer, false);
    expect(statsOf(balancer, 'a').failures).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await chatText(balancer, false);
    expect(statsOf(balancer, 'a').failures).toBe(0);
    expect(statsOf(balancer, 'a').averageLatencyMs).toBeGreaterThanOrEqual(0);
    expect(balancer.stats()).toMatchObject({ total: 2, healthy: 2, calls: { ok: 3, failed: 0, shed: 0 } });
  });

  it('show what a call in flight holds', async () => {
    const { balancer } = await rig.start({ a: answer() }, { each: { a: { rpm: 600, tpm: 60_000 } } });
    expect(statsOf(balancer, 'a')).toMatchObject({ requestsLeft: 98, tokensLeft: 9_800, inFlight: 0 });
    const call = balancer.chat({
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 5_000,
    });
    await Promise.resolve();
    expect(statsOf(balancer, 'a')).toMatchObject({ requestsLeft: 97, inFlight: 1 });
    expect(statsOf(balancer, 'a').tokensLeft).toBeLessThan(4_800);
    await call;
    expect(statsOf(balancer, 'a').tokensLeft).toBeGreaterThanOrEqual(9_785);
  });
});
