import fc from 'fast-check';
import { commonTerms, leaseMs, limiterDepthMs } from '../../lib/cluster/quota-lease/lease-terms';

describe('Lease terms:', () => {
  const numberOfMembers = fc.integer({ min: 1, max: 500 });
  const depth = fc.integer({ min: 100, max: 60_000 });

  it('leases and limiter together hold the bucket depth, and no lease exceeds 250 ms or two round trips', () => {
    fc.assert(
      fc.property(depth, numberOfMembers, fc.constantFrom(0, 50, 250), (depthMs, members, distanceMs) => {
        const terms = { limit: 600, depthMs, observedMs: 0, distanceMs, isDay: false };
        const lease = leaseMs(terms, members);
        expect(lease).toBeGreaterThan(0);
        expect(lease).toBeLessThanOrEqual(Math.max(250, 2 * distanceMs));
        expect(members * lease).toBeLessThanOrEqual(0.25 * depthMs + 1e-6);
        expect(limiterDepthMs(terms, members) + members * lease).toBeCloseTo(depthMs, 6);
      }),
    );
  });

  it('a lease lasts at least two round trips to a distant Redis at the fair rate of a process', () => {
    const terms = { limit: 600, depthMs: 10_000, observedMs: 0, distanceMs: 200, isDay: false };
    expect([1, 2, 4].map((members) => leaseMs(terms, members) * members)).toEqual([400, 400, 500]);
  });

  it('processes share the lowest of their limits and the largest bucket depth that a header has shown', () => {
    const terms = (limit: number, depthMs: number, observedMs = 0) => ({
      limit,
      depthMs,
      observedMs,
      distanceMs: 0,
      isDay: false,
    });
    expect(commonTerms([terms(600, 10_000), terms(500, 20_000)])).toEqual(terms(500, 10_000));
    expect(commonTerms([terms(600, 10_000), terms(600, 10_000, 61_000)])).toEqual(terms(600, 60_000, 60_000));
  });
});
