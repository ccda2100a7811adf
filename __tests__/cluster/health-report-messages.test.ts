import fc from 'fast-check';
import { isSameCluster } from '../../lib/cluster/cluster';
import { decodeMessage, encodeMessage, type HealthReport } from '../../lib/cluster/health-reports/message';
import { GROUP, Member } from './health-reports-member';
import { SimulatedRedis } from './simulated-redis';

const EPOCH = 1_000_000;

let redis: SimulatedRedis;
let member: Member;

/** What the member's app sees, and what it lets through. */
function snapshot() {
  const { endpoint, group, events } = member;
  return {
    state: member.state,
    admits: endpoint.breaker.canEnter,
    cooldownMs: member.cooldownMs,
    groupCoolsDown: group.cooldownUntil > performance.now(),
    events: [...events],
  };
}

const UNCHANGED = { state: 'closed', admits: true, cooldownMs: 0, groupCoolsDown: false, events: [] };

/** Publishes the texts and lets them arrive. */
async function receive(...texts: string[]): Promise<void> {
  for (const text of texts) redis.broadcast(text);
  await jest.advanceTimersByTimeAsync(2);
}

function message(fields: object): string {
  const at = performance.now() + EPOCH;
  const opened = { kind: 'opened', endpoint: 'e hash', cooldownMs: 900, stepMs: 1_000 };
  return JSON.stringify({ v: 1, from: 'x', at, ...opened, ...fields });
}

const COOLDOWN = { kind: 'cooldown', class: 'unauthorized', cooldownMs: 5_000, stepMs: undefined };
const QUOTA = { kind: 'quota', quotas: [GROUP], cooldownMs: 5_000, stepMs: undefined };

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  redis = new SimulatedRedis();
  member = new Member(redis.connect(), () => ({ status: 200, ms: 1 }));
});

afterEach(() => {
  member.close();
  jest.useRealTimers();
});

describe('Health report messages:', () => {
  const report: fc.Arbitrary<HealthReport> = fc.oneof(
    fc.record({
      kind: fc.constant('opened' as const),
      endpoint: fc.string({ minLength: 1, maxLength: 200 }),
      cooldownMs: fc.double({ min: 0, max: 1e9, noNaN: true }).filter((ms) => !Object.is(ms, -0)),
      stepMs: fc.integer({ min: 0 }),
    }),
    fc.record({
      kind: fc.constant('quota' as const),
      endpoint: fc.string({ minLength: 1, maxLength: 200 }),
      quotas: fc.array(fc.string({ minLength: 1, maxLength: 209 }), { minLength: 1, maxLength: 2 }),
      cooldownMs: fc.integer({ min: 0 }),
    }),
  );

  it('a report is decoded as it was encoded', () => {
    fc.assert(
      fc.property(report, fc.integer({ min: 0 }), (report, at) => {
        const text = encodeMessage({ from: 'me', at, report });
        expect(text && decodeMessage(text)).toEqual({ from: 'me', at, report });
      }),
    );
  });

  it('a published report contains no key, no prompt and no message of the upstream', async () => {
    const sender = new Member(redis.connect(), () => ({
      status: 401,
      ms: 1,
      error: { message: 'a secret word' },
    }));
    void sender.call();
    await jest.advanceTimersByTimeAsync(10);
    expect(redis.published).toHaveLength(1);
    const { at, ...fields } = JSON.parse(redis.published[0]!) as { at: number };
    expect(at).toBeGreaterThan(EPOCH);
    expect(fields).toEqual({
      v: 1,
      from: 'm1',
      kind: 'cooldown',
      endpoint: 'e hash',
      class: 'unauthorized',
      cooldownMs: 600_000,
    });
    sender.close();
  });
});

describe('Health report messages: an invalid message is ignored', () => {
  it('whatever its content is', async () => {
    const field = fc.oneof(
      fc.anything(),
      fc.constantFrom('opened', 'e', GROUP, [GROUP], -1, 1e308, null, true),
    );
    const keys = [
      'v',
      'from',
      'at',
      'kind',
      'endpoint',
      'cooldownMs',
      'stepMs',
      'class',
      'quotas',
      'more',
    ] as const;
    const altered = fc.tuple(fc.constantFrom(...keys), field).map(([key, value]) => {
      try {
        return message({ [key]: value });
      } catch {
        return '';
      }
    });
    const text = fc.oneof(fc.string(), fc.json(), fc.string({ minLength: 4_000, maxLength: 6_000 }), altered);
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 5 }), async (texts) => {
        await receive(...texts.filter((candidate) => decodeMessage(candidate) === undefined));
        expect(snapshot()).toEqual(UNCHANGED);
      }),
    );
  });

  it.each([
    ['of another version', { v: 2 }],
    ['with an unknown field', { key: 'sk-1' }],
    ['without a sender', { from: '' }],
    ['of an unknown kind', { kind: 'melted' }],
    ['with a negative cooldown', { cooldownMs: -1 }],
    ['with a cooldown that is not a number', { cooldownMs: '900' }],
    ['about an endpoint that is not configured here', { endpoint: 'other hash' }],
    ['about an endpoint of the same name with another account', { endpoint: 'e other' }],
    ['about an endpoint without an account', { endpoint: 'e' }],
    ['about an endpoint named like a property of every object', { endpoint: '__proto__ hash' }],
    ['that this process sent itself', { from: 'm0' }],
    ['that is more than five seconds old', { at: EPOCH - 5_100, cooldownMs: 60_000 }],
    ['from the future', { at: EPOCH + 700 }],
    ['about a cooldown that is over', { at: EPOCH - 1_000, cooldownMs: 900 }],
    ['about a class without a cooldown', { ...COOLDOWN, class: 'server' }],
    ['about a quota that is not configured here', { ...QUOTA, quotas: ['group h'] }],
    ['about too many quotas', { ...QUOTA, quotas: [GROUP, 'a', 'b', 'c', 'd'] }],
    ['that is too long', { endpoint: `e${' '.repeat(5_000)}` }],
  ])('if it is one %s', async (_what, fields) => {
    await receive(message(fields));
    expect(snapshot()).toEqual(UNCHANGED);
  });
});

describe('Health report messages: a valid message', () => {
  it.each([
    ['an open breaker', { cooldownMs: 1e300, stepMs: 1e300 }, 'open', 1_000],
    ['a rejected key', { ...COOLDOWN, cooldownMs: 1e300 }, 'cooldown', 60_000],
    ['a 429', { ...QUOTA, cooldownMs: 1e300 }, 'cooldown', 60_000],
  ])(
    'about %s keeps calls away for a limited time, whatever cooldown it contains',
    async (_what, fields, state, mostMs) => {
      await receive(message(fields));
      expect(member.state).toBe(state);
      const { breaker } = member.endpoint;
      const cooldownMs = Math.max(member.cooldownMs, breaker.msUntilProbe(performance.now()));
      expect(cooldownMs).toBeGreaterThan(mostMs - 10);
      expect(cooldownMs).toBeLessThanOrEqual(mostMs);
    },
  );

  it('changes nothing when it is repeated or arrives after a newer one', async () => {
    const opened = message({});
    await receive(opened, opened);
    const closed = message({ kind: 'closed', cooldownMs: undefined, stepMs: undefined });
    await receive(closed);
    await receive(opened, closed, opened);
    expect(member.state).toBe('closed');
    expect(member.events).toEqual(['open', 'closed']);
  });

  it('is ignored when a call that started after it has succeeded', async () => {
    const texts = [message({}), message(COOLDOWN), message(QUOTA)];
    await jest.advanceTimersByTimeAsync(10);
    const call = member.call();
    await jest.advanceTimersByTimeAsync(10);
    expect(await call).toBe('served');
    await receive(...texts);
    expect(snapshot()).toEqual(UNCHANGED);
  });

  it.each([
    ['an open breaker', {}],
    ['a rejected key', COOLDOWN],
  ])(
    'about %s is ignored for a minute after a call has succeeded despite an earlier one',
    async (_what, fields) => {
      const serve = async () => {
        const call = member.call();
        await jest.advanceTimersByTimeAsync(10);
        expect(await call).toBe('served');
      };
      await receive(message(fields));
      expect(member.state).not.toBe('closed');
      await jest.advanceTimersByTimeAsync(5_000);
      await serve();
      await receive(message(fields));
      expect(member.state).toBe('closed');
      await jest.advanceTimersByTimeAsync(60_000);
      await receive(message(fields));
      expect(member.state).not.toBe('closed');
    },
  );

  it('is ignored if the application has enabled the endpoint since it was sent', async () => {
    const texts = [message({}), message(COOLDOWN), message(QUOTA)];
    await receive(...texts);
    member.endpoint.enable();
    const before = snapshot();
    await receive(...texts);
    expect(snapshot()).toEqual(before);
    expect(before.state).toBe('closed');
  });

  it('is ignored by a process that has closed', async () => {
    member.close();
    await receive(message({}), message(COOLDOWN));
    expect(member.events).toEqual([]);
  });

  it('is not published while the time of Redis is unknown', () => {
    redis.isUp = false;
    member.endpoint.breaker.open();
    expect(redis.published).toEqual([]);
    member.endpoint.enable();
    expect(member.state).toBe('closed');
  });
});

it('A health report that would be too long is not sent', () => {
  const report = { kind: 'recovered', endpoint: 'x'.repeat(100_000) } as unknown as HealthReport;
  expect(encodeMessage({ from: 'a', at: 1, report })).toBeUndefined();
});

it.each<[boolean, Parameters<typeof isSameCluster>]>([
  [true, [undefined, undefined]],
  [false, [{ redis: 'redis://a' }, undefined]],
  [false, [undefined, { redis: 'redis://a' }]],
  [true, [{ redis: 'redis://a' }, { redis: 'redis://a', onOutage: 'open' }]],
  [false, [{ redis: 'redis://a' }, { redis: 'redis://b' }]],
  [false, [{ redis: 'redis://a' }, { redis: 'redis://a', prefix: 'other' }]],
  [true, [{ redis: { host: 'a', port: 1 } }, { redis: { port: 1, host: 'a' } }]],
  [false, [{ redis: { host: 'a' } }, { redis: { host: 'b' } }]],
])('It is %p that two configurations describe the same cluster: %j', (isSame, [a, b]) => {
  expect(isSameCluster(a, b)).toBe(isSame);
});
