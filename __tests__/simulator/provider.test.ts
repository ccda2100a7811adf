import { connect } from 'node:net';
import { startFleet, startFleetProcess, startProvider } from '../../lib/simulator';

const BODY = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] };

function send(url: string, body: unknown = BODY, headers: Record<string, string> = {}) {
  return fetch(`${url}/chat/completions`, { method: 'POST', body: JSON.stringify(body), headers });
}

describe('SimulatedProvider', () => {
  it('records a bounded number of requests, without secrets', async () => {
    const provider = await startProvider({ timeScale: 0, errorShare: 0, recordRequests: 3 });
    for (let sent = 0; sent < 8; sent += 1) {
      await send(provider.url, { ...BODY, user: `u${sent}` }, { authorization: 'Bearer sk-very-secret' });
    }
    expect(provider.requests).toHaveLength(3);
    expect(provider.requests[0]).toMatchObject({
      method: 'POST',
      path: '/v1/chat/completions',
      model: 'gpt-4o',
    });
    expect(provider.requests[0]?.headers.authorization).toMatch(/^sha256:[0-9a-f]{12}$/);
    expect(JSON.stringify(provider.requests)).not.toContain('secret');
    expect(provider.requests[0]).not.toHaveProperty('body');
    await provider.close();
  });

  it('records request bodies if recordBodies is set', async () => {
    const provider = await startProvider({ timeScale: 0, errorShare: 0, recordBodies: true });
    await send(provider.url);
    expect(provider.requests[0]?.body).toEqual(BODY);
    await provider.close();
  });

  it('rejects invalid JSON, a body without messages and an unknown path', async () => {
    const provider = await startProvider({ timeScale: 0 });
    const broken = await fetch(`${provider.url}/chat/completions`, { method: 'POST', body: '{' });
    expect(broken.status).toBe(400);
    expect(await (await send(provider.url, { model: 'gpt-4o' })).json()).toMatchObject({
      error: { code: 'missing_required_parameter', param: 'messages', type: 'invalid_request_error' },
    });
    expect((await fetch(`${provider.url}/images`)).status).toBe(404);
    await provider.close();
  });

  it('ends a call whose client disconnects in the middle of a stream', async () => {
    const provider = await startProvider({
      errorShare: 0,
      models: { 'gpt-4o': { ttftMs: 1, msPerOutputToken: 100 } },
    });
    const response = await send(provider.url, { ...BODY, stream: true });
    const reader = response.body!.getReader();
    await reader.read();
    expect(provider.stats().inFlight).toBe(1);
    await reader.cancel();
    while (provider.stats().inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(provider.stats()).toMatchObject({ aborted: 1, answered: 0 });
    await provider.close();
  });

  it('completes hundreds of concurrent streams', async () => {
    const model = { ttftMs: 50, msPerPromptToken: 0, msPerOutputToken: 4 };
    const provider = await startProvider({ errorShare: 0, models: { 'gpt-4o': model } });
    const texts = await Promise.all(
      Array.from({ length: 300 }, async () =>
        (await send(provider.url, { ...BODY, stream: true }, { 'x-simulate-output-tokens': '100' })).text(),
      ),
    );
    expect(texts.every((text) => text.endsWith('data: [DONE]\n\n'))).toBe(true);
    expect(provider.stats()).toMatchObject({ answered: 300, inFlight: 0, outputTokens: 30_000 });
    await provider.close();
  });

  it('close() closes the port and every socket, including those of running calls', async () => {
    const provider = await startProvider();
    provider.fault({ kind: 'silence' });
    const socket = connect(provider.port, '127.0.0.1');
    const running = send(provider.url).catch(() => 'broken');
    await new Promise((resolve) => socket.once('connect', resolve));
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    while (provider.stats().inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await provider.close();
    expect(await running).toBe('broken');
    await ended;
    await expect(send(provider.url)).rejects.toThrow();
    await provider.close();
  });

  it('rejects an invalid option and names it', async () => {
    await expect(startProvider({ timeScale: -1 })).rejects.toThrow(
      'timeScale: expected a number of at least 0, got -1',
    );
    await expect(startProvider({ models: { m: { tpm: 0 } } })).rejects.toThrow('models["m"].tpm');
  });
});

describe('startFleet and startFleetProcess', () => {
  const DESCRIPTION = {
    providers: [
      { name: 'one', timeScale: 0, errorShare: 0 },
      { name: 'two', timeScale: 0, errorShare: 0, models: { 'gpt-4o': { rpm: 1, bucketSeconds: 1 } } },
    ],
  };

  it('start every provider of the description and close all of them', async () => {
    const fleet = await startFleet(DESCRIPTION);
    expect((await send(fleet.provider('one').url)).status).toBe(200);
    expect(() => fleet.provider('three')).toThrow(/No provider is named "three"; known providers: one, two/);
    await fleet.close();
    await expect(send(fleet.provider('one').url)).rejects.toThrow();
  });

  it('leave no provider running if one cannot start', async () => {
    const taken = await startProvider();
    const one = { name: 'one', timeScale: 0 };
    await expect(startFleet({ providers: [one, { name: 'two', port: taken.port }] })).rejects.toThrow(
      /EADDRINUSE/,
    );
    await expect(startFleet({ providers: [one, one] })).rejects.toThrow('the name "one" is used twice');
    await taken.close();
  });

  it('run the providers in a child process that accepts faults and returns statistics', async () => {
    const fleet = await startFleetProcess(DESCRIPTION);
    const one = fleet.provider('one');
    expect(fleet.pid).not.toBe(process.pid);
    expect((await send(one.url)).status).toBe(200);
    const fault = await one.fault({ kind: 'unauthorized' });
    expect((await send(one.url)).status).toBe(401);
    await fault.end();
    const gone = await one.fault({ kind: 'refuse' });
    await expect(send(one.url)).rejects.toThrow();
    await gone.end();
    expect((await send(one.url)).status).toBe(200);
    expect(await one.stats()).toMatchObject({ name: 'one', seen: 3, answered: 2, otherErrors: 1 });
    expect(await one.requests()).toHaveLength(3);
    await expect(one.fault({ kind: 'brownout', factor: -1 })).rejects.toThrow('fault.factor');
    await fleet.close();
    await expect(send(one.url)).rejects.toThrow();
    await expect(one.stats()).rejects.toThrow('has ended');
  });

  it('reject with the reason if the providers cannot be started in the child process', async () => {
    await expect(startFleetProcess({ providers: [{ name: 'one', timeScale: -1 }] })).rejects.toThrow(
      'timeScale',
    );
  });
});
