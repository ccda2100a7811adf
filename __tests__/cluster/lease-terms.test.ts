import fc from 'fast-check';
import { commonTerms, leaseMs, limiterDepthMs } from '../../lib/cluster/quota-lease/lease-terms';

describe('Lease terms:', () => {
  it('all leases and the limiter together hold the depth, and no lease exceeds 250 ms of the limit', () => {
    const depths = fc.integer({ min: 100, max: 60_000 });
    fc.assert(
      fc.property(depths, fc.integer({ min: 1, max: 500 }), (depthMs, members) => {
        const lease = leaseMs(depthMs, members);
        expect(lease).toBeGreaterThan(0);
        expect(lease).toBeLessThanOrEqual(250);
        expect(members * lease).toBeLessThanOrEqual(0.25 * depthMs + 1e-6);
        expect(limiterDepthMs(depthMs, members) + members * lease).toBeCloseTo(depthMs, 6);
      }),
    );
  });

  it('processes with different limits share the lowest, and the largest depth that a header has shown', () => {
    const terms = (limit: number, depthMs: number, observedMs = 0) => ({ limit, depthMs, observedMs });
    expect(commonTerms([terms(600, 10_000), terms(500, 20_000)])).toEqual(terms(500, 10_000));
    expect(commonTerms([terms(600, 10_000), terms(600, 10_000, 61_000)])).toEqual(terms(600, 60_000, 60_000));
  });
});
