import { type Fault, parseFault, type SimulatedProvider, startProvider } from '../../lib/simulator';
import { rejection, until } from '../helpers/async';

let provider: SimulatedProvider;
beforeEach(async () => {
  provider = await startProvider({ timeScale: 0.01, errorShare: 0 });
});
afterEach(() => provider.close());

const LENGTH = { 'x-simulate-output-tokens': '40' };

function send(stream = false, init: RequestInit = {}) {
  const body = JSON.stringify({ model: 'gpt-4o', stream, messages: [{ role: 'user', content: 'Hello' }] });
  return fetch(`${provider.url}/chat/completions`, { method: 'POST', body, headers: LENGTH, ...init });
}

/** Reads until the end, an error, or `quietMs` without data. */
async function readFor(
  response: Response,
  quietMs: number,
): Promise<{ text: string; end: 'done' | 'error' | 'quiet' }> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const quiet = new Promise<'quiet'>((resolve) => (timer = setTimeout(() => resolve('quiet'), quietMs)));
    const next = await Promise.race([reader.read().catch(() => 'error' as const), quiet]);
    clearTimeout(timer);
    if (typeof next === 'string') {
      if (next === 'quiet') await reader.cancel();
      return { text, end: next };
    }
    if (next.done) return { text, end: 'done' };
    text += decoder.decode(next.value as Uint8Array, { stream: true });
  }
}

function contentOf(sse: string): string {
  return [...sse.matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text).join('');
}

describe('SimulatedProvider: faults over real sockets', () => {
  it('silence accepts a call, never answers it, and counts it as aborted when the client disconnects', async () => {
    provider.fault({ kind: 'silence' });
    const controller = new AbortController();
    const failed = rejection(send(false, { signal: controller.signal }));
    await until(() => provider.stats().inFlight === 1);
    controller.abort();
    expect(await failed).toMatchObject({ name: 'AbortError' });
    await until(() => provider.stats().inFlight === 0);
    expect(provider.stats().aborted).toBe(1);
  });

  it('outage answers some calls with 503 and the others not at all', async () => {
    provider.fault({ kind: 'outage' });
    const ends = await Promise.all(
      Array.from({ length: 16 }, () =>
        send(false, { signal: AbortSignal.timeout(5_000) }).then(
          ({ status }) => status,
          () => 'silent',
        ),
      ),
    );
    expect(new Set(ends)).toEqual(new Set([503, 'silent']));
  });

  it.each([
    [{ kind: 'err5xx' }, 500, null],
    [{ kind: 'err5xx', status: 529 }, 529, null],
    [{ kind: 'storm429', share: 1 }, 429, 'rate_limit_exceeded'],
    [{ kind: 'unauthorized' }, 401, 'invalid_api_key'],
    [{ kind: 'quota_exhausted' }, 429, 'insufficient_quota'],
    [{ kind: 'model_missing' }, 404, 'model_not_found'],
    [
      { kind: 'error', status: 400, code: 'content_filter', headers: { 'x-why': 'test' } },
      400,
      'content_filter',
    ],
  ] as [Fault, number, string | null][])(
    'the fault %j answers with status %i',
    async (fault, status, code) => {
      provider.fault(fault);
      const response = await send();
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({ error: { message: expect.any(String) as string, code } });
      if (fault.kind === 'storm429')
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(2);
      if (fault.kind === 'error') expect(response.headers.get('x-why')).toBe('test');
    },
  );

  it('cut destroys the socket after the given number of tokens of a stream', async () => {
    provider.fault({ kind: 'cut', afterTokens: 10 });
    const { text, end } = await readFor(await send(true), 30_000);
    expect(end).toBe('error');
    expect(contentOf(text).split(' ')).toHaveLength(10);
    expect(text).not.toContain('[DONE]');
  });

  it('cut destroys the socket in the middle of a whole body', async () => {
    provider.fault({ kind: 'cut', fraction: 0.5 });
    const { text, end } = await readFor(await send(), 30_000);
    expect(end).toBe('error');
    expect(text.length).toBeGreaterThan(50);
  });

  it.each([true, false])(
    'stall stops in the middle and leaves the connection open (stream: %s)',
    async (stream) => {
      provider.fault({ kind: 'stall', afterTokens: 10 });
      const { text, end } = await readFor(await send(stream), 1_000);
      expect(end).toBe('quiet');
      expect(text.length).toBeGreaterThan(20);
      await until(() => provider.stats().aborted === 1);
    },
  );

  it('bad_answer sends status 200 with each form of malformed answer', async () => {
    const got: Record<string, string> = {};
    for (const form of ['html', 'truncated_json', 'empty_choices', 'error_object', 'no_finish'] as const) {
      for (const stream of [false, true]) {
        provider.fault({ kind: 'bad_answer', form, calls: 1 });
        const response = await send(stream);
        expect(response.status).toBe(200);
        got[`${form} ${stream ? 'stream' : 'whole'}`] = await response.text();
      }
    }
    expect(got['html whole']).toMatch(/^<!DOCTYPE html>/);
    expect(got['html stream']).toMatch(/^<!DOCTYPE html>/);
    expect(() => JSON.parse(got['truncated_json whole']!) as unknown).toThrow();
    expect(got['truncated_json stream']).not.toContain('[DONE]');
    expect(JSON.parse(got['empty_choices whole']!)).toMatchObject({ choices: [] });
    expect(contentOf(got['empty_choices stream']!)).toBe('');
    expect(JSON.parse(got['error_object whole']!)).toMatchObject({ error: { type: 'server_error' } });
    expect(got['error_object stream']).toContain('data: {"error"');
    expect(JSON.parse(got['no_finish whole']!)).toMatchObject({ choices: [{ finish_reason: null }] });
    expect(got['no_finish stream']).not.toContain('[DONE]');
    expect(provider.stats()).toMatchObject({ damaged: 10, answered: 0 });
  });

  it('reset destroys the connection of the calls it applies to', async () => {
    provider.fault({ kind: 'reset', calls: 1 });
    await expect(send()).rejects.toThrow();
    expect((await send()).status).toBe(200);
  });

  it('refuse destroys calls in flight, and the server listens on the same port once the fault ends', async () => {
    const { port } = provider;
    provider.fault({ kind: 'silence', calls: 1 });
    const inFlight = send().catch(() => 'broken');
    await until(() => provider.stats().inFlight === 1);
    const gone = provider.fault({ kind: 'refuse' });
    expect(await inFlight).toBe('broken');
    await expect(send()).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await gone.end();
    expect(provider.port).toBe(port);
    expect((await send()).status).toBe(200);
  });

  it('refuse ends after forMs', async () => {
    provider.fault({ kind: 'refuse', forMs: 1_000 });
    await expect(send()).rejects.toThrow();
    await until(() => provider.stats().faults.length === 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await send()).status).toBe(200);
  });

  it('end() of a fault handle ends only its own fault', async () => {
    const storm = provider.fault({ kind: 'storm429', share: 1 });
    provider.fault({ kind: 'brownout' });
    await storm.end();
    expect(provider.stats().faults.map(({ fault }) => fault.kind)).toEqual(['brownout']);
    expect((await send()).status).toBe(200);
    await provider.clearFaults();
    expect(provider.stats().faults).toEqual([]);
  });
});

describe('SimulatedProvider: the control API over HTTP', () => {
  const control = (method: string, path: string, body?: unknown) =>
    fetch(`http://127.0.0.1:${provider.port}/_simulator/${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });

  it('activates faults, lists them and ends them', async () => {
    const created = await control('POST', 'faults', { kind: 'unauthorized' });
    expect(created.status).toBe(201);
    const { id } = (await created.json()) as { id: string };
    expect((await send()).status).toBe(401);
    expect(await (await control('GET', 'faults')).json()).toEqual({
      faults: [{ id, fault: { kind: 'unauthorized' } }],
    });
    expect((await control('DELETE', `faults/${id}`)).status).toBe(204);
    expect((await control('DELETE', `faults/${id}`)).status).toBe(404);
    expect((await send()).status).toBe(200);

    await control('POST', 'faults', { kind: 'silence' });
    expect((await control('DELETE', 'faults')).status).toBe(204);
    expect(provider.stats().faults).toEqual([]);
  });

  it('returns the statistics of the provider', async () => {
    await send();
    expect(await (await control('GET', 'stats')).json()).toMatchObject({
      seen: 1,
      answered: 1,
      inFlight: 0,
      faults: [],
    });
  });

  it('can take the server down for a given time', async () => {
    expect((await control('POST', 'faults', { kind: 'refuse', forMs: 1_000 })).status).toBe(202);
    await until(() => provider.stats().faults.length === 1);
    await expect(send()).rejects.toThrow();
    await until(() => provider.stats().faults.length === 0);
  });

  it('rejects an invalid fault and names the field', async () => {
    const refused = await control('POST', 'faults', { kind: 'cut', fraction: 2 });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      error: { message: 'fault.fraction: expected a number from 0 to 1, got 2' },
    });
    expect((await control('POST', 'faults', 'outage')).status).toBe(400);
  });

  it('has nothing at other paths', async () => {
    for (const [method, path] of [
      ['GET', ''],
      ['PUT', 'faults'],
      ['POST', 'stats'],
    ] as const)
      expect((await control(method, path)).status).toBe(404);
  });

  it('accepts connections again only when the last fault that refuses them has ended', async () => {
    const ends = [provider.fault({ kind: 'refuse' }), provider.fault({ kind: 'refuse' })];
    await expect(send()).rejects.toThrow();
    await ends[0]!.end();
    await expect(send()).rejects.toThrow();
    await ends[1]!.end();
    expect((await send()).status).toBe(200);
  });

  it.each([
    [{ status: 418 }, { type: 'invalid_request_error', code: null, message: 'Simulated error 418.' }],
    [{ status: 503 }, { type: 'server_error', message: 'Simulated error 503.' }],
    [
      { status: 400, type: 'own', code: 'c', message: 'Own.' },
      { type: 'own', code: 'c', message: 'Own.' },
    ],
  ])('answers with an error of its own: %j', async (fault, error) => {
    provider.fault({ kind: 'error', afterMs: 0, ...fault });
    const answer = await send();
    expect(answer.status).toBe(fault.status);
    expect(await answer.json()).toMatchObject({ error });
  });

  it('cuts a whole answer before its first byte, after the headers', async () => {
    provider.fault({ kind: 'cut', afterTokens: 0 });
    const answer = await send();
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
  });
});

it.each([
  [{ kind: 'flood' }, /fault\.kind: expected one of outage/],
  [{ kind: 'refuse', share: 0.5 }, /fault\.share is not an option of 'refuse'/],
  [{ kind: 'outage', factor: 3 }, /fault\.factor is not an option of 'outage'/],
  [{ kind: 'bad_answer', form: 'xml' }, /fault\.form: expected one of html/],
  [{ kind: 'cut', models: 'gpt-4o' }, /fault\.models: expected an array/],
  [{ kind: 'error' }, /fault\.status/],
  ['outage', /expected an object/],
])('parseFault: an invalid fault is rejected: %j', (fault, message) => {
  expect(() => parseFault(fault)).toThrow(message);
});
