import fc from 'fast-check';
import { exceededLimit, type Tenant, type TenantLimitOptions, TenantLimits } from '../../lib/tenant/limits';
import { memoryCounters } from '../../lib/tenant/limits-counter';

const ACME: Tenant = { key: 'tenant:acme', name: 'acme' };
const OTHER: Tenant = { key: 'tenant:other', name: 'other' };

beforeEach(() => jest.useFakeTimers({ now: 1_000_000 }));
afterEach(() => jest.useRealTimers());

function limitsOf(options: TenantLimitOptions): TenantLimits {
  return new TenantLimits(options, memoryCounters());
}

async function refusedBy(limits: TenantLimits, tenant = ACME) {
  return exceededLimit(await limits.countRequest(tenant));
}

describe('limits of a tenant', () => {
  it('let in as many requests a minute as the limit, and tell when the next may come', async () => {
    const limits = limitsOf({ rpm: 2 });
    expect(await refusedBy(limits)).toBeUndefined();
    jest.advanceTimersByTime(20_000);
    expect(await limits.countRequest(ACME)).toEqual([
      { name: 'requests', windowSeconds: 60, limit: 2, remaining: 0, resetMs: 40_000, refuses: false },
    ]);
    expect(await refusedBy(limits)).toMatchObject({ name: 'requests', remaining: 0, resetMs: 40_000 });
    jest.advanceTimersByTime(40_000);
    expect(await refusedBy(limits)).toBeUndefined();
  });

  it('are each tenant’s own', async () => {
    const limits = limitsOf({ rpm: 1 });
    await limits.countRequest(ACME);
    expect(await refusedBy(limits)).toBeDefined();
    expect(await refusedBy(limits, OTHER)).toBeUndefined();
  });

  it('do not lengthen the wait of those who keep knocking', async () => {
    const limits = limitsOf({ rpm: 1 });
    for (let second = 0; second < 60; second++) {
      await limits.countRequest(ACME);
      jest.advanceTimersByTime(1_000);
    }
    expect(await refusedBy(limits)).toBeUndefined();
  });

  it('admit by tokens while any are left, though the last call overdraws them', async () => {
    const limits = limitsOf({ tpm: 1_000 });
    await limits.recordUsage(ACME, { tokens: 999, dollars: 0 });
    expect(await limits.countRequest(ACME)).toMatchObject([{ name: 'tokens', remaining: 1, refuses: false }]);
    await limits.recordUsage(ACME, { tokens: 5_000, dollars: 0 });
    expect(await refusedBy(limits)).toMatchObject({ name: 'tokens', remaining: 0, resetMs: 60_000 });
    expect(exceededLimit(await limits.check(ACME))).toMatchObject({ name: 'tokens' });
    jest.advanceTimersByTime(60_000);
    expect(await refusedBy(limits)).toBeUndefined();
  });

  it('count dollars over a day, exactly to a billionth', async () => {
    const limits = limitsOf({ usdPerDay: 0.000_003 });
    for (let call = 0; call < 10; call++) {
      expect(await refusedBy(limits)).toBeUndefined();
      await limits.recordUsage(ACME, { tokens: 2, dollars: 0.000_000_3 });
    }
    expect(await refusedBy(limits)).toMatchObject({ name: 'dollars', resetMs: 86_400_000 });
    jest.advanceTimersByTime(86_400_000);
    expect(await refusedBy(limits)).toBeUndefined();
  });

  it('name the refusal that lasts longest', async () => {
    const limits = limitsOf({ rpm: 1, usdPerDay: 1 });
    await limits.countRequest(ACME);
    await limits.recordUsage(ACME, { tokens: 0, dollars: 1 });
    expect(await refusedBy(limits)).toMatchObject({ name: 'dollars' });
  });

  it('can differ by tenant, and be none for some', async () => {
    const rpm = (tenant: string | undefined) => (tenant === 'acme' ? 1 : undefined);
    const limits = limitsOf({ rpm });
    await limits.countRequest(ACME);
    expect(await refusedBy(limits)).toMatchObject({ limit: 1 });
    expect(await limits.countRequest(OTHER)).toEqual([]);
  });

  it('of 0 let nobody in', async () => {
    expect(await refusedBy(limitsOf({ rpm: () => 0 }))).toMatchObject({ name: 'requests' });
    expect(await refusedBy(limitsOf({ tpm: () => 0 }))).toMatchObject({ name: 'tokens' });
  });

  it('that are no number are told as what they are', async () => {
    await expect(limitsOf({ tpm: () => Number.NaN }).countRequest(ACME)).rejects.toThrow(
      'tpm(tenant): expected a finite number of at least 0 or undefined, got NaN',
    );
    await expect(limitsOf({ rpm: () => -1 }).countRequest(ACME)).rejects.toThrow('rpm(tenant)');
  });

  it('ignore a use that is no count', async () => {
    const limits = limitsOf({ tpm: 10, usdPerDay: 1 });
    for (const use of [Number.NaN, -5, Infinity])
      await limits.recordUsage(ACME, { tokens: use, dollars: use });
    expect(await limits.check(ACME)).toMatchObject([{ remaining: 10 }, { remaining: 1 }]);
  });

  it('leave no timer behind when the windows have ended', async () => {
    const limits = limitsOf({ rpm: 1, tpm: 1, usdPerDay: 1 });
    for (let tenant = 0; tenant < 500; tenant++) {
      const each = { key: `tenant:${tenant}`, name: `${tenant}` };
      await limits.countRequest(each);
      await limits.recordUsage(each, { tokens: 3, dollars: 0.1 });
    }
    expect(jest.getTimerCount()).toBe(1_500);
    jest.advanceTimersByTime(86_400_000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('admit exactly the limit in every window, whatever the schedule', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.nat(15_000), { minLength: 1, maxLength: 40 }),
        async (rpm, gaps) => {
          const limits = limitsOf({ rpm });
          let windowEnds = 0;
          let admitted = 0;
          let came = 0;
          for (const gap of gaps) {
            jest.advanceTimersByTime(gap);
            if (Date.now() >= windowEnds) {
              windowEnds = Date.now() + 60_000;
              admitted = 0;
              came = 0;
            }
            came++;
            if ((await refusedBy(limits)) === undefined) admitted++;
            expect(admitted).toBe(Math.min(came, rpm));
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
