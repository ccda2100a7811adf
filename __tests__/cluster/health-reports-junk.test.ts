import fc from 'fast-check';
import { decodeMessage, encodeMessage, type HealthReport } from '../../lib/cluster/health-reports/message';
import { GROUP, Member } from './health-reports-member';
import { SimulatedRedis } from './simulated-redis';

const EPOCH = 1_000_000;

let wire: SimulatedRedis;
let member: Member;

/** How the member stands: what its app sees, and what it lets through. */
function standing() {
  const { endpoint, group, events } = member;
  return {
    state: member.state,
    admits: endpoint.breaker.canEnter,
    cooldownMs: member.cooldownMs,
    groupRests: group.cooldownUntil > performance.now(),
    events: [...events],
  };
}

const UNTOUCHED = { state: 'closed', admits: true, cooldownMs: 0, groupRests: false, events: [] };

/** Says it, and lets it arrive. */
async function hear(...texts: string[]): Promise<void> {
  for (const text of texts) wire.broadcast(text);
  await jest.advanceTimersByTimeAsync(2);
}

function message(said: object): string {
  const now = performance.now() + EPOCH;
  const opened = { kind: 'opened', endpoint: 'e', cooldownMs: 900, stepMs: 1_000 };
  return JSON.stringify({ v: 1, from: 'x', at: now, ...opened, ...said });
}

const REST = { kind: 'cooldown', class: 'unauthorized', cooldownMs: 5_000, stepMs: undefined };
const QUOTA = { kind: 'quota', quotas: [GROUP], cooldownMs: 5_000, stepMs: undefined };

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  wire = new SimulatedRedis();
  member = new Member(wire.connect(), () => ({ status: 200, ms: 1 }));
});

afterEach(() => {
  member.close();
  jest.useRealTimers();
});

describe('news', () => {
  const item: fc.Arbitrary<HealthReport> = fc.oneof(
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

  it('is read as it was written', () => {
    fc.assert(
      fc.property(item, fc.integer({ min: 0 }), (item, at) => {
        const text = encodeMessage({ from: 'me', at, report: item });
        expect(text && decodeMessage(text)).toEqual({ from: 'me', at, item });
      }),
    );
  });

  it('holds no key, no prompt and no word of the upstream', async () => {
    const secretive = new Member(wire.connect(), () => ({
      status: 401,
      ms: 1,
      error: { message: 'a secret word' },
    }));
    void secretive.call();
    await jest.advanceTimersByTimeAsync(10);
    expect(wire.sent).toHaveLength(1);
    const { at, ...rest } = JSON.parse(wire.sent[0]!) as { at: number };
    expect(at).toBeGreaterThan(EPOCH);
    expect(rest).toEqual({
      v: 1,
      from: 'm1',
      kind: 'cooldown',
      endpoint: 'e',
      class: 'unauthorized',
      cooldownMs: 600_000,
    });
    secretive.close();
  });
});

describe('what only looks like news', () => {
  it('changes nothing and throws nothing', async () => {
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
    const wrong = fc.tuple(fc.constantFrom(...keys), field).map(([key, value]) => {
      try {
        return message({ [key]: value });
      } catch {
        return '';
      }
    });
    const text = fc.oneof(fc.string(), fc.json(), fc.string({ minLength: 4_000, maxLength: 6_000 }), wrong);
    const isNews = (said: string): boolean => decodeMessage(said) !== undefined;
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 5 }), async (texts) => {
        await hear(...texts.filter((said) => !isNews(said)));
        expect(standing()).toEqual(UNTOUCHED);
      }),
    );
  });

  it.each([
    ['of another version', { v: 2 }],
    ['with a field too many', { key: 'sk-1' }],
    ['without a sender', { from: '' }],
    ['of an unknown kind', { kind: 'melted' }],
    ['with a negative rest', { cooldownMs: -1 }],
    ['with a rest that is no number', { cooldownMs: '900' }],
    ['of an endpoint that isn`t here', { endpoint: 'other' }],
    ['of an object`s own property', { endpoint: '__proto__' }],
    ['of its own', { from: 'm0' }],
    ['of more than five seconds ago', { at: EPOCH - 5_100, cooldownMs: 60_000 }],
    ['of the future', { at: EPOCH + 700 }],
    ['of a rest that is over', { at: EPOCH - 1_000, cooldownMs: 900 }],
    ['of a class that rests nothing', { ...REST, class: 'server' }],
    ['of an unknown quota', { ...QUOTA, quotas: ['group h'] }],
    ['of too many quotas', { ...QUOTA, quotas: [GROUP, 'a', 'b', 'c', 'd'] }],
    ['that is too long', { endpoint: `e${' '.repeat(5_000)}` }],
  ])('%s: nothing changes', async (_what, said) => {
    await hear(message(said));
    expect(standing()).toEqual(UNTOUCHED);
  });
});

describe('news that can be read', () => {
  it.each([
    ['an opening', { cooldownMs: 1e300, stepMs: 1e300 }, 'open', 1_000],
    ['a bad key', { ...REST, cooldownMs: 1e300 }, 'cooldown', 60_000],
    ['a 429', { ...QUOTA, cooldownMs: 1e300 }, 'cooldown', 60_000],
  ])('%s rests it for a bounded time, whatever it says', async (_what, said, state, mostMs) => {
    await hear(message(said));
    expect(member.state).toBe(state);
    const { breaker } = member.endpoint;
    const cooldownMs = Math.max(member.cooldownMs, breaker.msUntilProbe(performance.now()));
    expect(cooldownMs).toBeGreaterThan(mostMs - 10);
    expect(cooldownMs).toBeLessThanOrEqual(mostMs);
  });

  it('changes nothing when it comes again, or after newer news', async () => {
    const opened = message({});
    await hear(opened, opened);
    const closed = message({ kind: 'closed', cooldownMs: undefined, stepMs: undefined });
    await hear(closed);
    await hear(opened, closed, opened);
    expect(member.state).toBe('closed');
    expect(member.events).toEqual(['open', 'closed']);
  });

  it('of before a call that was served is of no account', async () => {
    const texts = [message({}), message(REST), message(QUOTA)];
    await jest.advanceTimersByTimeAsync(10);
    const served = member.call();
    await jest.advanceTimersByTimeAsync(10);
    expect(await served).toBe('served');
    await hear(...texts);
    expect(standing()).toEqual(UNTOUCHED);
  });

  it('of before an endpoint was enabled by hand is of no account', async () => {
    const texts = [message({}), message(REST), message(QUOTA)];
    await hear(...texts);
    member.endpoint.enable();
    const before = standing();
    await hear(...texts);
    expect(standing()).toEqual(before);
    expect(before.state).toBe('closed');
  });

  it('is not heard by what has been closed', async () => {
    member.close();
    await hear(message({}), message(REST));
    expect(member.events).toEqual([]);
  });

  it('is not told while nobody knows the time', () => {
    wire.isUp = false;
    member.endpoint.breaker.open();
    expect(wire.sent).toEqual([]);
    member.endpoint.enable();
    expect(member.state).toBe('closed');
  });
});

describe('a storm of messages', () => {
  it('is read for a part of a percent of a core: the rest is dropped unread', async () => {
    const parse = jest.spyOn(JSON, 'parse');
    for (let n = 0; n < 5_000; n++) wire.broadcast('{"v":1}');
    await jest.advanceTimersByTimeAsync(1);
    expect(parse.mock.calls.length).toBeLessThanOrEqual(1_001);
    parse.mockClear();
    await jest.advanceTimersByTimeAsync(1_000);
    for (let n = 0; n < 5_000; n++) wire.broadcast('{"v":1}');
    await jest.advanceTimersByTimeAsync(1);
    expect(parse.mock.calls.length).toBeLessThanOrEqual(202);
    parse.mockRestore();
    await jest.advanceTimersByTimeAsync(1_000);
    await hear(message({}));
    expect(member.state).toBe('open');
  });
});
