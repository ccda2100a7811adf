import {
  answer,
  BODY,
  error,
  json,
  type Responder,
  Rig,
  rejection,
  silence,
  statsOf,
  type UpstreamRequest,
  until,
} from './upstream';

const rig = new Rig();
const COLD = { ...BODY, temperature: 0 };

/** Answers when its promise is resolved. */
function held(): { play: Responder; release: (play?: Responder) => void } {
  const waiting: UpstreamRequest[] = [];
  return {
    play: (arrival) => void waiting.push(arrival),
    release: (play = answer()) => {
      for (const arrival of waiting.splice(0)) play(arrival);
    },
  };
}

const vectors: Responder = (arrival) =>
  json(arrival, 200, {
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding: [0.1, 0.2] }],
    model: 'm',
    usage: { prompt_tokens: 3, total_tokens: 3 },
  });

describe('coalesce: identical calls in flight at the same time', () => {
  it('are sent once; each caller gets a copy of the answer, and only one is charged', async () => {
    const { play, release } = held();
    const { balancer, upstream } = await rig.start(
      { a: play },
      { coalesce: true, each: { a: { price: { input: 1, output: 1 } } } },
    );
    const calls = [1, 2, 3].map(() => balancer.chat(COLD).withRoute());
    await until(() => upstream.count('a') === 1);
    release();
    const served = await Promise.all(calls);
    expect(upstream.count('a')).toBe(1);
    const [first, second] = served.map(({ data }) => data);
    expect(second).toEqual(first);
    (first as { id: string }).id = 'changed';
    expect(second!.id).toBe('x');
    expect(served.map(({ route }) => [route.shared, route.attempts.length])).toEqual([
      [undefined, 1],
      ['joined', 0],
      ['joined', 0],
    ]);
    expect(served.map(({ route }) => (route.costUsd ?? 0) > 0)).toEqual([true, false, false]);
    expect(new Set(served.map(({ route }) => route.requestId)).size).toBe(3);
    expect(balancer.stats().calls).toEqual({ ok: 3, failed: 0, shed: 0 });
  });

  it('are sent again after the first one has been answered', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { coalesce: true });
    await balancer.chat(COLD);
    await balancer.chat(COLD);
    expect(upstream.count('a')).toBe(2);
  });

  it('are each sent if coalesce is off', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() });
    await Promise.all([1, 2].map(() => balancer.chat(COLD)));
    expect(upstream.count('a')).toBe(2);
  });

  it('can be embeddings calls, which have no temperature', async () => {
    const { balancer, upstream } = await rig.start({ a: vectors }, { coalesce: true });
    const body = { model: 'm', input: 'text' };
    await Promise.all([1, 2, 3].map(() => balancer.embeddings(body)));
    expect(upstream.count('a')).toBe(1);
  });

  it.each([
    ['two tenants', COLD, { tenant: 'x' }, COLD, { tenant: 'y' }],
    ['a tenant and none', COLD, { tenant: 'x' }, COLD, {}],
    ['different priorities', COLD, { priority: 5 as const }, COLD, { priority: 1 as const }],
    ['different bodies', COLD, {}, { ...COLD, seed: 1 }, {}],
    ['calls without temperature 0', BODY, {}, BODY, {}],
    ['streams', { ...COLD, stream: true }, {}, { ...COLD, stream: true }, {}],
  ])('are sent separately: %s', async (_what, body, options, otherBody, otherOptions) => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { coalesce: true });
    await Promise.all([balancer.chat(body, options), balancer.chat(otherBody, otherOptions)]);
    expect(upstream.count('a')).toBe(2);
  });

  it('share a failure', async () => {
    const { play, release } = held();
    const { balancer, upstream } = await rig.start({ a: play }, { coalesce: true });
    const calls = [1, 2].map(() => rejection(balancer.chat(COLD)));
    await until(() => upstream.count('a') === 1);
    release(error(400, { message: 'no' }));
    for (const failed of await Promise.all(calls))
      expect(failed).toMatchObject({ code: 'ERR_AI_BAD_REQUEST' });
    expect(balancer.stats().calls.failed).toBe(2);
  });
});

describe('coalesce: a caller that leaves', () => {
  it('does not end the call of the others, not even if it was the first', async () => {
    const { play, release } = held();
    const { balancer, upstream } = await rig.start({ a: play }, { coalesce: true });
    const leaving = new AbortController();
    const left = rejection(balancer.chat(COLD, { signal: leaving.signal }));
    const stays = balancer.chat(COLD).withRoute();
    await until(() => upstream.count('a') === 1);
    leaving.abort();
    expect(await left).toMatchObject({ code: 'ERR_AI_ABORTED' });
    expect(upstream.sockets.size).toBe(1);
    release();
    const { route } = await stays;
    // Now it is the only one, so the attempt is its own.
    expect(route.attempts).toHaveLength(1);
    expect(upstream.count('a')).toBe(1);
  });

  it('as the last one aborts the upstream call, and a later call is sent again', async () => {
    const { balancer, upstream } = await rig.start({ a: silence }, { coalesce: true });
    const callers = [1, 2].map(() => new AbortController());
    const left = callers.map(({ signal }) => rejection(balancer.chat(COLD, { signal })));
    await until(() => upstream.count('a') === 1);
    callers[0]!.abort();
    await left[0];
    expect(statsOf(balancer, 'a').inFlight).toBe(1);
    callers[1]!.abort();
    const after = rejection(balancer.chat(COLD, { timeoutMs: 2_000 }));
    await Promise.all(left);
    await until(() => upstream.count('a') === 2);
    await after;
    await until(() => upstream.sockets.size === 0);
    expect(statsOf(balancer, 'a')).toMatchObject({ inFlight: 0, failures: 0 });
  });

  it('at its deadline gets ERR_AI_DEADLINE, while a later caller keeps its own deadline', async () => {
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => (arrival.nth === 1 ? undefined : answer('late')(arrival)) },
      { coalesce: true },
    );
    const first = rejection(balancer.chat(COLD, { timeoutMs: 1_000 }));
    await until(() => upstream.count('a') === 1);
    const second = balancer.chat(COLD, { timeoutMs: 20_000 });
    expect(await first).toMatchObject({ code: 'ERR_AI_DEADLINE' });
    expect((await second).choices[0]?.message.content).toBe('late');
    expect(upstream.count('a')).toBe(2);
  });
});
