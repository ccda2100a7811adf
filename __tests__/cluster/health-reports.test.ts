import { Member, type ProviderAnswer } from './health-reports-member';
import { SimulatedRedis } from './simulated-redis';

// Simulated time, which takes a busy machine long.

const GROUP = 'group g';
const SOUND: ProviderAnswer = { status: 200, ms: 20 };
const DOWN: ProviderAnswer = { status: 500, ms: 20 };
const BAD_KEY: ProviderAnswer = { status: 401, ms: 20 };

const members: Member[] = [];

function cluster(size: number, answer: (member: Member) => ProviderAnswer, redis = new SimulatedRedis()) {
  const joined = Array.from({ length: size }, () => new Member(redis.connect(), answer));
  members.push(...joined);
  return { redis, joined };
}

/** Advances the clock until the promise settles. */
async function settled<T>(promise: Promise<T>, ms = 10_000): Promise<T> {
  let result: { value: T } | undefined;
  void promise.then((value) => (result = { value }));
  for (let at = 0; at < ms && !result; at += 5) await jest.advanceTimersByTimeAsync(5);
  if (!result) throw new Error(`not settled within ${ms} ms`);
  return result.value;
}

/** A message from a process that is not one of the members. */
function message(kind: string, fields: object): string {
  return JSON.stringify({
    v: 1,
    from: 'x',
    at: performance.now() + 1_000_000,
    kind,
    endpoint: 'e hash',
    ...fields,
  });
}

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(async () => {
  for (const member of members.splice(0)) member.close();
  await pass(60_000);
  jest.useRealTimers();
});

describe('Health reports: an endpoint that is down', () => {
  it('is avoided by all processes as soon as the breaker in one of them has opened', async () => {
    const { joined } = cluster(3, () => DOWN);
    const [a, b, c] = joined as [Member, Member, Member];
    expect(await settled(a.calls(5))).toEqual(Array.from({ length: 5 }, () => 'failed'));
    await pass(2);
    expect([a.state, b.state, c.state]).toEqual(['open', 'open', 'open']);
    expect([b.events, c.events]).toEqual([['open'], ['open']]);
    expect(await b.call()).toBe('refused');
    expect(b.endpoint.health.failures).toBe(0);
  });

  it('is reported once, because processes do not repeat the reports of others', async () => {
    const { redis, joined } = cluster(4, () => DOWN);
    await pass(150);
    await settled(joined[0]!.calls(5));
    await pass(500);
    expect(redis.published).toHaveLength(1);
    expect(JSON.parse(redis.published[0]!)).toMatchObject({
      v: 1,
      from: 'm0',
      kind: 'opened',
      endpoint: 'e hash',
    });
  });

  it("is avoided by a process that starts later and asks once for its peers' own reports", async () => {
    const { redis, joined } = cluster(3, () => DOWN);
    await pass(150);
    await settled(joined[0]!.calls(5));
    await pass(400);
    const { joined: started } = cluster(2, () => DOWN, redis);
    const [late, later] = started as [Member, Member];
    await pass(110);
    expect([late.state, later.state]).toEqual(['open', 'open']);
    expect(late.endpoint.breaker.msUntilProbe(performance.now())).toBeLessThan(
      joined[0]!.endpoint.breaker.msUntilProbe(performance.now()) + 2,
    );
    expect(late.requestCount + later.requestCount).toBe(0);
    expect(redis.published.map((text) => (JSON.parse(text) as { from: string }).from)).toEqual(['m0', 'm0']);
    await pass(5_000);
    expect(redis.published).toHaveLength(2);
  });

  it('is not avoided by a process that starts after the outage or after the endpoint was enabled', async () => {
    let answer = DOWN;
    const { redis, joined } = cluster(2, () => answer);
    const [a, b] = joined as [Member, Member];
    await settled(a.calls(5));
    answer = SOUND;
    await pass(1_010);
    expect(await settled(b.call())).toBe('served');
    answer = BAD_KEY;
    expect(await settled(a.call())).toBe('failed');
    expect(a.state).toBe('cooldown');
    a.endpoint.enable();
    const { joined: started } = cluster(1, () => SOUND, redis);
    await pass(110);
    expect(started[0]!.state).toBe('closed');
  });

  it('is probed by one process at a time, and a failed probe doubles the open time of all breakers', async () => {
    const { joined } = cluster(3, () => ({ status: 500, ms: 300 }));
    await settled(joined[0]!.calls(5));
    await pass(1_010);
    expect(joined.map(({ state }) => state)).toEqual(['half-open', 'half-open', 'half-open']);
    const before = joined.map(({ requestCount }) => requestCount);
    const outcomes = Promise.all(joined.map((member) => member.call()));
    await pass(50);
    expect(joined.map(({ isProbing }) => isProbing).filter(Boolean)).toHaveLength(1);
    expect(joined.map(({ endpoint }) => endpoint.breaker.canEnter)).toEqual([false, false, false]);
    expect((await settled(outcomes)).sort()).toEqual(['failed', 'not-sent', 'not-sent']);
    await pass(2);
    expect(joined.map(({ state }) => state)).toEqual(['open', 'open', 'open']);
    for (const { endpoint } of joined) {
      expect(endpoint.breaker.msUntilProbe(performance.now())).toBeGreaterThan(1_400);
    }
    expect(joined.map(({ requestCount }, nth) => requestCount - before[nth]!).sort()).toEqual([0, 0, 1]);
  });

  it('is used by all processes again as soon as the probe of one of them has succeeded', async () => {
    let answer = DOWN;
    const { joined } = cluster(3, () => answer);
    await settled(joined[0]!.calls(5));
    answer = SOUND;
    await pass(1_010);
    expect(await settled(joined[1]!.call())).toBe('served');
    await pass(2);
    expect(joined.map(({ state }) => state)).toEqual(['closed', 'closed', 'closed']);
    expect(joined[2]!.events).toEqual(['open', 'half-open', 'closed']);
  });

  it('is probed by a process that has calls even if the others have none', async () => {
    let answer = DOWN;
    const { joined } = cluster(5, () => answer);
    await settled(joined[0]!.calls(5));
    answer = SOUND;
    await pass(60_000);
    expect(joined.map(({ state }) => state)).toEqual(Array.from({ length: 5 }, () => 'half-open'));
    expect(await settled(joined[3]!.call())).toBe('served');
  });
});

describe('Health reports: the probe lock', () => {
  async function halfOpen(redis = new SimulatedRedis(), answer: () => ProviderAnswer = () => SOUND) {
    let isDown = true;
    const { joined } = cluster(2, () => (isDown ? DOWN : answer()), redis);
    await settled(joined[0]!.calls(5));
    isDown = false;
    await pass(1_010);
    expect(joined[0]!.state).toBe('half-open');
    return { redis, a: joined[0]!, b: joined[1]! };
  }

  it('is unavailable until it expires if the process that holds it has died', async () => {
    const { redis, a } = await halfOpen();
    redis.lockAsOther('probe e hash', 6_000);
    expect(await settled(a.call())).toBe('not-sent');
    expect(a.endpoint.breaker.canEnter).toBe(false);
    await pass(100);
    expect(a.endpoint.breaker.canEnter).toBe(true);
    expect(await settled(a.call())).toBe('not-sent');
    await pass(6_000);
    expect(await settled(a.call())).toBe('served');
    expect(a.endpoint.health.failures).toBe(0);
  });

  it('causes no counted failure when a peer holds it, even if the call reports one', async () => {
    const { redis, b } = await halfOpen();
    redis.lockAsOther('probe e hash', 60_000);
    expect(await settled(b.call(true))).toBe('not-sent');
    expect([b.endpoint.health.failures, b.endpoint.inFlight, b.state]).toEqual([0, 0, 'half-open']);
    expect(b.endpoint.health.failureRate.value(performance.now())).toBeLessThan(0.01);
  });

  it('counts its round trip towards the time limit of the probe', async () => {
    const { redis, a } = await halfOpen(undefined, () => ({ status: 200, ms: 60_000 }));
    redis.roundTripMs = 48;
    const since = performance.now();
    expect(await settled(a.call())).toBe('failed');
    expect(performance.now() - since).toBeLessThan(5_020);
  });

  it('is not needed while Redis is unreachable, when each process probes', async () => {
    const { redis, a, b } = await halfOpen();
    redis.isUp = false;
    expect(await settled(Promise.all([a.call(), b.call()]), 100)).toEqual(['served', 'served']);
    expect([a.state, b.state]).toEqual(['closed', 'closed']);
  });

  it('is released when the probe ends, whatever its outcome', async () => {
    const { redis, a } = await halfOpen(undefined, () => ({ status: 400, ms: 20 }));
    expect(await settled(a.call())).toBe('failed');
    await pass(2);
    expect(a.state).toBe('open');
    expect(redis.isLocked('probe e hash')).toBe(false);
  });

  it('is released by a process that closes', async () => {
    const { redis, a } = await halfOpen(undefined, () => ({ status: 200, ms: 4_000 }));
    void a.call();
    await pass(100);
    expect(redis.isLocked('probe e hash')).toBe(true);
    a.close();
    await pass(2);
    expect(redis.isLocked('probe e hash')).toBe(false);
    await pass(5_000);
  });

  it('does not let a probe start if a peer reports an open breaker while the lock is being acquired', async () => {
    const { redis, a } = await halfOpen();
    redis.roundTripMs = 40;
    const outcome = a.call();
    redis.broadcast(message('opened', { cooldownMs: 2_000, stepMs: 2_000 }));
    const before = a.requestCount;
    expect(await settled(outcome)).toBe('not-sent');
    expect([a.requestCount - before, a.state]).toEqual([0, 'open']);
    await pass(100);
    expect(redis.isLocked('probe e hash')).toBe(false);
  });
});

describe('Health reports: cooldowns', () => {
  it('a rejected key starts a cooldown in all processes, of only a minute in the peers', async () => {
    const { joined } = cluster(3, () => BAD_KEY);
    const [a, b] = joined as [Member, Member];
    await settled(a.call());
    await pass(2);
    expect(joined.map(({ state }) => state)).toEqual(['cooldown', 'cooldown', 'cooldown']);
    expect(a.cooldownMs).toBeGreaterThan(590_000);
    expect(b.cooldownMs).toBeGreaterThan(59_000);
    expect(b.cooldownMs).toBeLessThanOrEqual(60_000);
    expect(b.events).toEqual([expect.stringMatching(/^unauthorized (59\d{3}|60000)$/)]);
  });

  it('a 429 starts a cooldown of the quota in all processes, which ends at the same time', async () => {
    const redis = new SimulatedRedis();
    redis.delivery = () => [700];
    const { joined } = cluster(2, () => ({ status: 429, ms: 20, headers: { 'retry-after': '4' } }), redis);
    const [a, b] = joined as [Member, Member];
    await settled(a.call());
    await pass(701);
    expect(b.state).toBe('cooldown');
    expect(Math.abs(b.cooldownMs - a.cooldownMs)).toBeLessThan(10);
    expect(b.group.cooldownUntil).toBeGreaterThan(performance.now() + 3_000);
    expect(JSON.parse(redis.published[0]!)).toMatchObject({ kind: 'quota', quotas: ['endpoint e', GROUP] });
  });

  it('a 429 without a Retry-After doubles the cooldown that a peer has reported', async () => {
    const { joined } = cluster(2, () => ({ status: 429, ms: 20 }));
    const [a, b] = joined as [Member, Member];
    await settled(a.call());
    await pass(1_200);
    await settled(b.call());
    expect(b.cooldownMs).toBeGreaterThanOrEqual(1_990);
  });

  it('a burst of 429s is reported a few times at most', async () => {
    const { redis, joined } = cluster(2, () => ({ status: 429, ms: 20, headers: { 'retry-after': '2' } }));
    await settled(Promise.all(Array.from({ length: 200 }, () => joined[0]!.call())));
    expect(redis.published.length).toBeLessThanOrEqual(4);
  });

  it('a process with a new key keeps using the endpoint even if its peers report a rejected key', async () => {
    const { joined } = cluster(2, (member) => (member === joined[0] ? BAD_KEY : SOUND));
    const [old, fresh] = joined as [Member, Member];
    await settled(old.call());
    await pass(60_100);
    expect(await settled(fresh.call())).toBe('served');
    old.endpoint.enable();
    await pass(1);
    await settled(old.call());
    await pass(5);
    expect([old.state, fresh.state]).toEqual(['cooldown', 'closed']);
  });
});

describe('Health reports: a process whose calls fail at a healthy endpoint', () => {
  it.each([
    [2, '500s', DOWN, 20],
    [4, '500s', DOWN, 20],
    [3, '401s', BAD_KEY, 61],
  ])(
    'does not keep its peers away for long if, of %i processes, only this one gets %s',
    async (size, _what, sick, mostS) => {
      const { joined } = cluster(size, (member) => (member === joined[0] ? sick : SOUND));
      let refused = 0;
      for (let tick = 0; tick < 1_500; tick++) {
        // The failing process always asks for the probe lock first.
        for (const member of joined) {
          const call = member.call();
          if (member !== joined[0]) void call.then((outcome) => (refused += outcome === 'served' ? 0 : 1));
        }
        await pass(200);
      }
      const lostSeconds = refused / 5 / (size - 1);
      expect(lostSeconds).toBeGreaterThan(0);
      expect(lostSeconds).toBeLessThan(mostS);
    },
  );
});

describe('Health reports: an endpoint that is down for all processes', () => {
  it('is still probed by each of them, whichever probes first', async () => {
    const { joined } = cluster(2, () => DOWN);
    const [a, b] = joined as [Member, Member];
    await settled(a.calls(5));
    for (let round = 0; round < 6; round++) {
      await pass(Math.max(a.endpoint.breaker.msUntilProbe(performance.now()), 0) + 20);
      await settled(a.call());
      await pass(300);
      await settled(b.call());
      await pass(5);
    }
    expect(b.requestCount).toBeGreaterThan(0);
  });
});

describe('Health reports: a process without a cluster', () => {
  it("acquires no lock, publishes nothing and starts no timer except the breaker's own", async () => {
    const member = new Member(undefined, () => DOWN);
    members.push(member);
    await settled(member.calls(5));
    expect(member.state).toBe('open');
    const timers = jest.getTimerCount();
    await pass(1_001);
    expect(jest.getTimerCount()).toBe(timers - 1);
    expect(await settled(member.call())).toBe('failed');
  });
});
