import { endpointAt, HELLO, Rig, rejection, until } from '../helpers/provider';

const rig = new Rig();
const SLOW = { models: { 'gpt-4o': { ttftMs: 400, msPerOutputToken: 0 } }, timeScale: 1 };

describe('Balancer', () => {
  it('close() waits for running calls, and new calls are rejected with ERR_AI_CLOSED', async () => {
    const provider = await rig.provider(SLOW);
    const balancer = rig.balancer([endpointAt(provider)]);
    const running = balancer.chat(HELLO);
    await until(() => provider.stats().inFlight === 1);
    let closed = false;
    const closing = balancer.close().then(() => (closed = true));
    for (const call of [
      balancer.chat(HELLO),
      balancer.chat({ ...HELLO, stream: true }),
      balancer.embeddings({ model: 'gpt-4o', input: 'a' }),
    ]) {
      expect(await rejection(call)).toMatchObject({ code: 'ERR_AI_CLOSED', status: 503 });
    }
    expect(closed).toBe(false);
    expect((await running).object).toBe('chat.completion');
    await closing;
    expect(provider.stats().seen).toBe(1);
  });

  it('close() waits for a running stream', async () => {
    const provider = await rig.provider({ ...SLOW, reply: () => 'one two three four five' });
    const balancer = rig.balancer([endpointAt(provider)]);
    const stream = await balancer.chat({ ...HELLO, stream: true });
    const closing = balancer.close();
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('one two three four five');
    await closing;
  });

  it.each([0, 30])('close() aborts calls that are still running after a graceMs of %d', async (graceMs) => {
    const provider = await rig.provider();
    provider.fault({ kind: 'silence' });
    const balancer = rig.balancer([endpointAt(provider)]);
    const running = rejection(balancer.chat(HELLO));
    const streaming = rejection(balancer.chat({ ...HELLO, stream: true }));
    await until(() => provider.stats().inFlight === 2);
    await balancer.close({ graceMs });
    expect(await running).toMatchObject({ code: 'ERR_AI_CLOSED', status: 503 });
    expect(await streaming).toMatchObject({ code: 'ERR_AI_CLOSED' });
    await until(() => provider.stats().inFlight === 0);
  });

  it('close() aborts a stream that is not read to its end', async () => {
    const provider = await rig.provider({ reply: () => 'one two three four five six' });
    provider.fault({ kind: 'stall', afterTokens: 2 });
    const balancer = rig.balancer([endpointAt(provider)]);
    const stream = await balancer.chat({ ...HELLO, stream: true });
    await balancer.close({ graceMs: 10 });
    await until(() => provider.stats().inFlight === 0);
    await expect(async () => {
      for await (const _chunk of stream);
    }).rejects.toMatchObject({ code: 'ERR_AI_CLOSED' });
  });

  it('close() aborts a call that is waiting for quota', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider, { rpm: 6, burstSeconds: 10 })]);
    await balancer.chat(HELLO);
    const waiting = rejection(balancer.chat(HELLO));
    await until(() => balancer.stats().queue.size === 1);
    await balancer.close({ graceMs: 10 });
    expect(await waiting).toMatchObject({ code: 'ERR_AI_CLOSED' });
    expect(provider.stats().seen).toBe(1);
  });

  it('close() waits for all calls if graceMs is Infinity', async () => {
    const provider = await rig.provider(SLOW);
    const balancer = rig.balancer([endpointAt(provider)]);
    const running = balancer.chat(HELLO);
    await until(() => provider.stats().inFlight === 1);
    await balancer.close({ graceMs: Infinity });
    expect((await running).object).toBe('chat.completion');
  });

  it.each([-1, Number.NaN, '5'])(
    'close() rejects a graceMs of %p and leaves the balancer open',
    async (graceMs) => {
      const balancer = rig.balancer([endpointAt(await rig.provider())]);
      expect(await rejection(balancer.close({ graceMs: graceMs as number }))).toMatchObject({
        code: 'ERR_AI_BAD_REQUEST',
        param: 'graceMs',
      });
      expect((await balancer.chat(HELLO)).object).toBe('chat.completion');
    },
  );

  it('close() can be called repeatedly, and resolves immediately if no call is running', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    await Promise.all([balancer.close(), balancer.close()]);
    await balancer.close();
    expect(balancer.stats().total).toBe(1);
    expect(await rejection(balancer.reload({ endpoints: [] }))).toMatchObject({ code: 'ERR_AI_CLOSED' });
  });

  it('ready() resolves for a balancer without a cluster', async () => {
    await expect(rig.balancer([endpointAt(await rig.provider())]).ready()).resolves.toBeUndefined();
  });
});
