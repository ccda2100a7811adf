import { type Balancer, type BalancerEvents, type CallOptions, createBalancer } from 'express-ai-balancer';
import { endpointAt, HELLO, Rig, rejection } from '../helpers/provider';

const rig = new Rig();

describe('Balancer.endpoint()', () => {
  it('disables and enables an endpoint', async () => {
    const [a, b] = [await rig.provider(), await rig.provider()];
    const balancer = rig.balancer([endpointAt(a, { name: 'a' }), endpointAt(b, { name: 'b', tier: 1 })]);
    const handle = balancer.endpoint('a');
    handle.disable();
    expect(handle).toMatchObject({ name: 'a', state: 'disabled' });
    await balancer.chat(HELLO);
    expect(a.stats().seen).toBe(0);
    handle.enable();
    expect(handle.state).toBe('closed');
    await balancer.chat(HELLO);
    expect(a.stats().seen).toBe(1);
  });

  it('ends a cooldown with enable()', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)]);
    provider.fault({ kind: 'unauthorized', calls: 1 });
    await rejection(balancer.chat(HELLO));
    expect(balancer.endpoint('main').state).toBe('cooldown');
    balancer.endpoint('main').enable();
    expect((await balancer.chat(HELLO)).object).toBe('chat.completion');
  });

  it('sets the weight, disables the endpoint with weight 0, and rejects an invalid weight', async () => {
    const [a, b] = [await rig.provider(), await rig.provider()];
    const balancer = rig.balancer([endpointAt(a, { name: 'a' }), endpointAt(b, { name: 'b' })]);
    balancer.endpoint('a').setWeight(0);
    for (let call = 0; call < 8; call += 1) await balancer.chat(HELLO);
    expect(b.stats().answered).toBe(8);
    for (const weight of [-1, Number.NaN, Infinity]) {
      expect(() => balancer.endpoint('a').setWeight(weight)).toThrow(/weight/);
    }
    expect(balancer.stats().endpoints[0]?.weight).toBe(0);
  });

  it('throws ERR_AI_NO_ENDPOINT for an unknown name', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    expect(() => balancer.endpoint('mian')).toThrow(/'mian'.*main/);
  });
});

describe('Balancer events', () => {
  const listen = (balancer: Balancer): [string, unknown][] => {
    const received: [string, unknown][] = [];
    for (const name of ['call', 'attempt', 'breaker', 'cooldown'] satisfies (keyof BalancerEvents)[]) {
      balancer.on(name, (event: unknown) => received.push([name, event]));
    }
    return received;
  };

  it('report every attempt and every call, without keys and prompts', async () => {
    const [sick, well] = [await rig.provider(), await rig.provider()];
    sick.fault({ kind: 'unauthorized' });
    const balancer = rig.balancer([
      endpointAt(sick, { name: 'sick', apiKey: 'sk-secret' }),
      endpointAt(well, { name: 'well', tier: 1 }),
    ]);
    const received = listen(balancer);
    await balancer.chat(HELLO, { requestId: 'r1' });
    expect(received).toMatchObject([
      ['cooldown', { endpoint: 'sick', class: 'unauthorized', cooldownMs: 600_000 }],
      ['attempt', { requestId: 'r1', endpoint: 'sick', model: 'gpt-4o', class: 'unauthorized', status: 401 }],
      ['attempt', { requestId: 'r1', endpoint: 'well' }],
      ['call', { requestId: 'r1', operation: 'chat' }],
    ]);
    expect(received.at(-1)?.[1]).not.toHaveProperty('code');
    expect(JSON.stringify(received)).not.toMatch(/sk-secret|parcel/);
  });

  it.each<[CallOptions, object]>([
    [
      { tags: ['eu'], minQuality: 0.1, maxCostPer1k: 9 },
      { tags: ['eu'], minQuality: 0.1, maxCostPer1k: 9 },
    ],
    [{ tags: [] }, {}],
    [{}, {}],
  ])('report what a call with the options %j requires', async (options, fields) => {
    const balancer = rig.balancer([endpointAt(await rig.provider(), { tags: ['eu'] })]);
    const received = listen(balancer);
    await balancer.chat(HELLO, options);
    const { tags, minQuality, maxCostPer1k } = received.at(-1)?.[1] as CallOptions;
    const required = { tags, minQuality, maxCostPer1k };
    expect(JSON.parse(JSON.stringify(required))).toEqual(fields);
  });

  it('report the state changes of a breaker', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)], {
      retry: { maxAttempts: 1 },
      breaker: { consecutiveFailures: 1, resetTimeoutMs: 40, maxResetTimeoutMs: 40 },
    });
    const received = listen(balancer);
    provider.fault({ kind: 'err5xx', calls: 1 });
    await rejection(balancer.chat(HELLO));
    await new Promise((resolve) => setTimeout(resolve, 60));
    await balancer.chat(HELLO);
    const states = received
      .filter(([name]) => name === 'breaker')
      .map(([, event]) => (event as { state: string }).state);
    expect(states).toEqual(['open', 'half-open', 'closed']);
    expect(received.filter(([name]) => name === 'call')[0]?.[1]).toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
  });

  it("never include 'error', and a listener that throws does not make a call fail", async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)]);
    for (const name of ['call', 'attempt', 'breaker', 'cooldown'] satisfies (keyof BalancerEvents)[]) {
      balancer.on(name, () => {
        throw new Error('a listener of the app');
      });
    }
    await balancer.chat(HELLO);
    for await (const _chunk of await balancer.chat({ ...HELLO, stream: true }));
    provider.fault({ kind: 'quota_exhausted' });
    expect(await rejection(balancer.chat(HELLO))).toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
    balancer.endpoint('main').enable();
    expect(balancer.stats().endpoints[0]).toMatchObject({ inFlight: 0, state: 'closed' });
  });
});

describe('Balancer: the logger', () => {
  it('gets a warning without the key for a failure that somebody must fix', async () => {
    const provider = await rig.provider();
    const said: unknown[] = [];
    const say = (...args: unknown[]) => void said.push(args);
    const logger = { debug: () => undefined, info: () => undefined, warn: say, error: say };
    const balancer = rig.balancer([endpointAt(provider, { apiKey: 'sk-secret' })], { logger });
    provider.fault({ kind: 'unauthorized' });
    await rejection(balancer.chat(HELLO));
    expect(said).toMatchObject([[{ endpoint: 'main', class: 'unauthorized' }, expect.any(String)]]);
    expect(JSON.stringify(said)).not.toMatch(/sk-secret|parcel/);
  });

  it('can throw without affecting the start or a call', async () => {
    const fail = () => {
      throw new Error('the disk is full');
    };
    const logger = { debug: fail, info: fail, warn: fail, error: fail };
    const provider = await rig.provider({ models: { 'home-made': {} } });
    const balancer = rig.balancer([endpointAt(provider, { model: 'home-made' })], { logger });
    const body = { ...HELLO, model: 'home-made' };
    await balancer.chat(body);
    provider.fault({ kind: 'unauthorized', calls: 1 });
    expect(await rejection(balancer.chat(body))).toMatchObject({ code: 'ERR_AI_ALL_FAILED' });
    expect(balancer.stats().endpoints[0]).toMatchObject({ inFlight: 0, state: 'cooldown' });
  });
});

describe('createBalancer()', () => {
  it('throws one ERR_AI_CONFIG that lists every fault', () => {
    const make = () =>
      createBalancer({
        endpoints: [{ name: 'a', model: 'gpt-4o', rpm: -1, weigth: 2 } as never],
        retry: { maxAttempts: 0 },
      });
    expect(caught(make)).toMatchObject({ code: 'ERR_AI_CONFIG' });
    expect(make).toThrow(/endpoints\[0\]\.rpm[\s\S]*weigth[\s\S]*retry\.maxAttempts/);
  });
});

function caught(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    return error;
  }
}
