import fc from 'fast-check';
import { exceededLimit, type Tenant, type TenantLimitOptions, TenantLimits } from '../../lib/tenant/limits';
import { memoryCounters } from '../../lib/tenant/limits-counter';

const ACME: Tenant = { key: 'tenant:acme', name: 'acme' };
const OTHER: Tenant = { key: 'tenant:other', name: 'other' };

beforeEach(() => jest.useFakeTimers({ now: 1_000_000 }));
afterEach(() => jest.useRealTimers());

function limitsOf(options: TenantLimitOptions): TenantLimits {
  return new TenantLimits(options, memoryCounters);
}

async function refusedBy(limits: TenantLimits, tenant = ACME) {
  return exceededLimit(await limits.countRequest(tenant));
}

describe('TenantLimits:', () => {
  it('rpm admits that many requests per minute and reports when the window ends', async () => {
    const limits = limitsOf({ rpm: 2 });
    expect(await refusedBy(limits)).toBeUndefined();
    jest.advanceTimersByTime(20_000);
    expect(await limits.countRequest(ACME)).toEqual([
      { name: 'requests', windowSeconds: 60, limit: 2, remaining: 0, resetMs: 40_000, isExceeded: false },
    ]);
    expect(await refusedBy(limits)).toMatchObject({ name: 'requests', remaining: 0, resetMs: 40_000 });
    jest.advanceTimersByTime(40_000);
    expect(await refusedBy(limits)).toBeUndefined();
  });

  it('each tenant has its own counts', async () => {
    const limits = limitsOf({ rpm: 1 });
    await limits.countRequest(ACME);
    expect(await refusedBy(limits)).toBeDefined();
    expect(await refusedBy(limits, OTHER)).toBeUndefined();
  });

  it('refused requests do not lengthen the window', async () => {
    const limits = limitsOf({ rpm: 1 });
    for (let second = 0; second < 60; second++) {
      await limits.countRequest(ACME);
      jest.advanceTimersByTime(1_000);
    }
    expect(await refusedBy(limits)).toBeUndefined();
  });

  it('tpm admits requests while tokens are left, even if the last call uses more than that', async () => {
    const limits = limitsOf({ tpm: 1_000 });
    await limits.recordUsage(ACME, { tokens: 999, dollars: 0 });
    expect(await limits.countRequest(ACME)).toMatchObject([
      { name: 'tokens', remaining: 1, isExceeded: false },
    ]);
    await limits.recordUsage(ACME, { tokens: 5_000, dollars: 0 });
    expect(await refusedBy(limits)).toMatchObject({ name: 'tokens', remaining: 0, resetMs: 60_000 });
    expect(exceededLimit(await limits.check(ACME))).toMatchObject({ name: 'tokens' });
    jest.advanceTimersByTime(60_000);
    expect(await refusedBy(limits)).toBeUndefined();
  });

  it('usdPerDay counts dollars over 24 hours, to a billionth of a dollar', async () => {
    const limits = limitsOf({ usdPerDay: 0.000_003 });
    for (let call = 0; call < 10; call++) {
      expect(await refusedBy(limits)).toBeUndefined();
      await limits.recordUsage(ACME, { tokens: 2, dollars: 0.000_000_3 });
    }
    expect(await refusedBy(limits)).toMatchObject({ name: 'dollars', resetMs: 86_400_000 });
    jest.advanceTimersByTime(86_400_000);
    expect(await refusedBy(limits)).toBeUndefined();
  });

  it('if several limits are exceeded, the one whose window ends last is reported', async () => {
    const limits = limitsOf({ rpm: 1, usdPerDay: 1 });
    await limits.countRequest(ACME);
    await limits.recordUsage(ACME, { tokens: 0, dollars: 1 });
    expect(await refusedBy(limits)).toMatchObject({ name: 'dollars' });
  });

  it('a limit can depend on the tenant, and undefined means none', async () => {
    const rpm = (tenant: string | undefined) => (tenant === 'acme' ? 1 : undefined);
    const limits = limitsOf({ rpm });
    await limits.countRequest(ACME);
    expect(await refusedBy(limits)).toMatchObject({ limit: 1 });
    expect(await limits.countRequest(OTHER)).toEqual([]);
  });

  it('a limit of 0 admits nothing', async () => {
    expect(await refusedBy(limitsOf({ rpm: () => 0 }))).toMatchObject({ name: 'requests' });
    expect(await refusedBy(limitsOf({ tpm: () => 0 }))).toMatchObject({ name: 'tokens' });
  });

  it('a limit that is not a number of at least 0 causes an error that names it', async () => {
    await expect(limitsOf({ tpm: () => Number.NaN }).countRequest(ACME)).rejects.toThrow(
      'tpm(tenant): expected a finite number of at least 0 or undefined, got NaN',
    );
    await expect(limitsOf({ rpm: () => -1 }).countRequest(ACME)).rejects.toThrow('rpm(tenant)');
  });

  it('usage that is not a positive number is ignored', async () => {
    const limits = limitsOf({ tpm: 10, usdPerDay: 1 });
    for (const use of [Number.NaN, -5, Infinity])
      await limits.recordUsage(ACME, { tokens: use, dollars: use });
    expect(await limits.check(ACME)).toMatchObject([{ remaining: 10 }, { remaining: 1 }]);
  });

  it('no timer is left when the windows have ended', async () => {
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

  it('every window admits exactly the limit under random schedules', async () => {
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
