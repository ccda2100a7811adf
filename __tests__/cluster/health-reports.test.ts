import { GROUP, Member, type ProviderAnswer } from './health-reports-member';
import { SimulatedRedis } from './simulated-redis';

const SOUND: ProviderAnswer = { status: 200, ms: 20 };
const DOWN: ProviderAnswer = { status: 500, ms: 20 };
const BAD_KEY: ProviderAnswer = { status: 401, ms: 20 };
const BUSY: ProviderAnswer = { status: 429, ms: 20, headers: { 'retry-after': '1' } };

const members: Member[] = [];

function cluster(size: number, play: (member: Member) => ProviderAnswer, wire = new SimulatedRedis()) {
  const joined = Array.from({ length: size }, () => new Member(wire.connect(), play));
  members.push(...joined);
  return { wire, joined };
}

/** Runs something that needs the clock to go on. */
async function during<T>(work: Promise<T>, ms = 10_000): Promise<T> {
  let result: { value: T } | undefined;
  void work.then((value) => (result = { value }));
  for (let at = 0; at < ms && !result; at += 5) await jest.advanceTimersByTimeAsync(5);
  if (!result) throw new Error('it took too long');
  return result.value;
}

/** A message of a process that isn't one of ours. */
function news(kind: string, said: object): string {
  return JSON.stringify({ v: 1, from: 'x', at: performance.now() + 1_000_000, kind, endpoint: 'e', ...said });
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

describe('an endpoint that is down', () => {
  it('is left by the others as soon as one knows', async () => {
    const { joined } = cluster(3, () => DOWN);
    const [a, b, c] = joined as [Member, Member, Member];
    expect(await during(a.calls(5))).toEqual(Array.from({ length: 5 }, () => 'failed'));
    await pass(2);
    expect([a.state, b.state, c.state]).toEqual(['open', 'open', 'open']);
    expect([b.events, c.events]).toEqual([['open'], ['open']]);
    expect(await b.call()).toBe('refused');
    expect(b.endpoint.failures).toBe(0);
  });

  it('is told of once: what was heard is not told again', async () => {
    const { wire, joined } = cluster(4, () => DOWN);
    await during(joined[0]!.calls(5));
    await pass(500);
    expect(wire.sent).toHaveLength(1);
    expect(JSON.parse(wire.sent[0]!)).toMatchObject({ v: 1, from: 'm0', kind: 'opened', endpoint: 'e' });
  });

  it('is probed by one at a time, and its rest doubles for all', async () => {
    const { joined } = cluster(3, () => ({ status: 500, ms: 300 }));
    await during(joined[0]!.calls(5));
    await pass(1_010);
    expect(joined.map(({ state }) => state)).toEqual(['half-open', 'half-open', 'half-open']);
    const before = joined.map(({ requestCount: arrived }) => arrived);
    const ends = Promise.all(joined.map((member) => member.call()));
    await pass(50);
    expect(joined.map(({ isProbing: probes }) => probes).filter(Boolean)).toHaveLength(1);
    expect(joined.map(({ endpoint }) => endpoint.breaker.canEnter)).toEqual([false, false, false]);
    expect((await during(ends)).sort()).toEqual(['failed', 'not-sent', 'not-sent']);
    await pass(2);
    expect(joined.map(({ state }) => state)).toEqual(['open', 'open', 'open']);
    for (const { endpoint } of joined) {
      expect(endpoint.breaker.msUntilProbe(performance.now())).toBeGreaterThan(1_400);
    }
    expect(joined.map(({ requestCount: arrived }, nth) => arrived - before[nth]!).sort()).toEqual([0, 0, 1]);
  });

  it('is taken back by all as soon as one has found it sound', async () => {
    let play = DOWN;
    const { joined } = cluster(3, () => play);
    await during(joined[0]!.calls(5));
    play = SOUND;
    await pass(1_010);
    expect(await during(joined[1]!.call())).toBe('served');
    await pass(2);
    expect(joined.map(({ state }) => state)).toEqual(['closed', 'closed', 'closed']);
    expect(joined[2]!.events).toEqual(['open', 'half-open', 'closed']);
  });

  it('is probed by a process with calls although others have none', async () => {
    let play = DOWN;
    const { joined } = cluster(5, () => play);
    await during(joined[0]!.calls(5));
    play = SOUND;
    await pass(60_000);
    expect(joined.map(({ state }) => state)).toEqual(Array.from({ length: 5 }, () => 'half-open'));
    expect(await during(joined[3]!.call())).toBe('served');
  });

  it('is seen for itself by every process in its turn, whoever probes first', async () => {
    const { joined } = cluster(2, () => DOWN);
    const [a, b] = joined as [Member, Member];
    await during(a.calls(5));
    for (let round = 0; round < 6; round++) {
      await pass(Math.max(a.endpoint.breaker.msUntilProbe(performance.now()), 0) + 20);
      await during(a.call());
      await pass(300);
      await during(b.call());
      await pass(5);
    }
    expect(b.requestCount).toBeGreaterThan(0);
  });
});

describe('the turn to probe', () => {
  async function halfOpen(wire = new SimulatedRedis(), play: () => ProviderAnswer = () => SOUND) {
    let isDown = true;
    const { joined } = cluster(2, () => (isDown ? DOWN : play()), wire);
    await during(joined[0]!.calls(5));
    isDown = false;
    await pass(1_010);
    expect(joined[0]!.state).toBe('half-open');
    return { wire, a: joined[0]!, b: joined[1]! };
  }

  it('is waited for while a process that has died holds it, and no longer', async () => {
    const { wire, a } = await halfOpen();
    wire.claimAsOther('probe e', 6_000);
    expect(await during(a.call())).toBe('not-sent');
    expect(a.endpoint.breaker.canEnter).toBe(false);
    await pass(100);
    expect(a.endpoint.breaker.canEnter).toBe(true);
    expect(await during(a.call())).toBe('not-sent');
    await pass(6_000);
    expect(await during(a.call())).toBe('served');
    expect(a.endpoint.failures).toBe(0);
  });

  it('that did not come counts against nobody, however the call takes it', async () => {
    const { wire, b } = await halfOpen();
    wire.claimAsOther('probe e', 60_000);
    expect(await during(b.call(true))).toBe('not-sent');
    expect([b.endpoint.failures, b.endpoint.inFlight, b.state]).toEqual([0, 0, 'half-open']);
    expect(b.endpoint.failureRate.value(performance.now())).toBeLessThan(0.01);
  });

  it('is part of the time that the probe has', async () => {
    const { wire, a } = await halfOpen(undefined, () => ({ status: 200, ms: 60_000 }));
    wire.roundTripMs = 48;
    const since = performance.now();
    expect(await during(a.call())).toBe('failed');
    expect(performance.now() - since).toBeLessThan(5_020);
  });

  it('is nobody`s to give while Redis is away: each probes by itself', async () => {
    const { wire, a, b } = await halfOpen();
    wire.isUp = false;
    expect(await during(Promise.all([a.call(), b.call()]), 100)).toEqual(['served', 'served']);
    expect([a.state, b.state]).toEqual(['closed', 'closed']);
  });

  it('is given back when the probe has ended, whatever its end', async () => {
    const { wire, a } = await halfOpen(undefined, () => ({ status: 400, ms: 20 }));
    expect(await during(a.call())).toBe('failed');
    await pass(2);
    expect(a.state).toBe('open');
    expect(wire.isClaimed('probe e')).toBe(false);
  });

  it('is given back by a process that closes', async () => {
    const { wire, a } = await halfOpen(undefined, () => ({ status: 200, ms: 4_000 }));
    void a.call();
    await pass(100);
    expect(wire.isClaimed('probe e')).toBe(true);
    a.close();
    await pass(2);
    expect(wire.isClaimed('probe e')).toBe(false);
    await pass(5_000);
  });

  it('lets no call through that waited for it when news came that the endpoint is down', async () => {
    const { wire, a } = await halfOpen();
    wire.roundTripMs = 40;
    const ended = a.call();
    wire.broadcast(news('opened', { restMs: 2_000, stepMs: 2_000 }));
    const before = a.requestCount;
    expect(await during(ended)).toBe('not-sent');
    expect([a.requestCount - before, a.state]).toEqual([0, 'open']);
    await pass(100);
    expect(wire.isClaimed('probe e')).toBe(false);
  });
});

describe('rests', () => {
  it('a bad key rests the endpoint for all, for a minute on another`s word', async () => {
    const { joined } = cluster(3, () => BAD_KEY);
    const [a, b] = joined as [Member, Member];
    await during(a.call());
    await pass(2);
    expect(joined.map(({ state }) => state)).toEqual(['cooldown', 'cooldown', 'cooldown']);
    expect(a.cooldownMs).toBeGreaterThan(590_000);
    expect(b.cooldownMs).toBeGreaterThan(59_000);
    expect(b.cooldownMs).toBeLessThanOrEqual(60_000);
    expect(b.events).toEqual([expect.stringMatching(/^unauthorized (59\d{3}|60000)$/)]);
  });

  it('a 429 rests all that share the quota, for what is left of it', async () => {
    const wire = new SimulatedRedis();
    wire.delivery = () => [700];
    const { joined } = cluster(2, () => ({ status: 429, ms: 20, headers: { 'retry-after': '4' } }), wire);
    const [a, b] = joined as [Member, Member];
    await during(a.call());
    await pass(701);
    expect(b.state).toBe('cooldown');
    expect(Math.abs(b.cooldownMs - a.cooldownMs)).toBeLessThan(10);
    expect(b.group.cooldownUntil).toBeGreaterThan(performance.now() + 3_000);
    expect(JSON.parse(wire.sent[0]!)).toMatchObject({ kind: 'quota', quotas: ['endpoint e', GROUP] });
  });

  it('a 429 of our own after one that was told of rests for twice as long, where neither names a time', async () => {
    const { joined } = cluster(2, () => ({ status: 429, ms: 20 }));
    const [a, b] = joined as [Member, Member];
    await during(a.call());
    await pass(1_200);
    await during(b.call());
    expect(b.cooldownMs).toBeGreaterThanOrEqual(1_990);
  });

  it('the 429s of one burst are told a few times at most', async () => {
    const { wire, joined } = cluster(2, () => ({ status: 429, ms: 20, headers: { 'retry-after': '2' } }));
    await during(Promise.all(Array.from({ length: 200 }, () => joined[0]!.call())));
    expect(wire.sent.length).toBeLessThanOrEqual(4);
  });

  it('a process with a new key is not benched again and again by those that have the old one', async () => {
    const { joined } = cluster(2, (member) => (member === joined[0] ? BAD_KEY : SOUND));
    const [old, fresh] = joined as [Member, Member];
    await during(old.call());
    await pass(60_100);
    expect(await during(fresh.call())).toBe('served');
    old.endpoint.enable();
    await pass(1);
    await during(old.call());
    await pass(5);
    expect([old.state, fresh.state]).toEqual(['cooldown', 'closed']);
  });
});

describe('a process that is sick while the endpoint is sound', () => {
  /** Seconds that each healthy one loses while one fails all its calls for five minutes; each makes five calls a second. */
  async function lostSeconds(size: number, sick: ProviderAnswer): Promise<number> {
    const { joined } = cluster(size, (member) => (member === joined[0] ? sick : SOUND));
    const healthy = joined.slice(1);
    let refused = 0;
    for (let tick = 0; tick < 1_500; tick++) {
      // The sick one is always the first to ask for the turn.
      for (const member of joined) {
        const call = member.call();
        if (member !== joined[0]) void call.then((end) => (refused += end === 'served' ? 0 : 1));
      }
      await pass(200);
    }
    return refused / 5 / healthy.length;
  }

  it.each([2, 4])('does not keep it from the others for long, of %i processes', async (size) => {
    const seconds = await lostSeconds(size, DOWN);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(16);
  });

  it.each([
    ['429s', BUSY, 25],
    ['401s', BAD_KEY, 61],
  ])('nor with %s that only it gets', async (_what, sick, most) => {
    const seconds = await lostSeconds(3, sick);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(most);
  });
});

describe('a process that reaches what the others cannot', () => {
  it('brings them back to it once, and not again for half a minute, then for a minute', async () => {
    const { wire, joined } = cluster(1, () => DOWN);
    const [member] = joined as [Member];
    let closings = 0;
    const times: number[] = [];
    for (let tick = 0; tick < 600; tick++) {
      void member.call();
      if (member.state === 'open') wire.broadcast(news('closed', {}));
      await pass(200);
      const closed = member.events.filter((event) => event === 'closed').length;
      if (closed > closings) times.push(Math.round(performance.now() / 1_000));
      closings = closed;
    }
    expect(times).toHaveLength(3);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(30);
    expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(60);
  });
});

describe('without other processes', () => {
  it('nothing is claimed, told or timed', async () => {
    const member = new Member(undefined, () => DOWN);
    members.push(member);
    await during(member.calls(5));
    expect(member.state).toBe('open');
    const timers = jest.getTimerCount();
    await pass(1_001);
    // The breaker's own rest is over; nothing else is waited for.
    expect(jest.getTimerCount()).toBe(timers - 1);
    expect(await during(member.call())).toBe('failed');
  });
});
