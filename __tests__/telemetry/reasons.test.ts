import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'express-ai-balancer';
import { fakeOnly } from '../helpers/fake-date';
import { endpointAt, HELLO, Rig, rejection, until } from '../helpers/provider';

const rig = new Rig();
/** Nothing listens on the port of the discard service. */
const NOBODY = { url: 'http://127.0.0.1:9/v1' };

function collector(): {
  lines: [level: string, fields: Record<string, unknown>, message: string][];
  logger: Logger;
} {
  const lines: [string, Record<string, unknown>, string][] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push([level, fields as Record<string, unknown>, message]);
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}

describe('A failed attempt', () => {
  it("has the code and the message of the socket error in the call's error, the event and the debug log", async () => {
    const { lines, logger } = collector();
    const balancer = rig.balancer([endpointAt(NOBODY)], { logger, retry: { maxAttempts: 1 } });
    const events: unknown[] = [];
    balancer.on('attempt', (event) => events.push(event));
    const expected = {
      endpoint: 'main',
      class: 'connection',
      code: 'ECONNREFUSED',
      message: expect.stringContaining('127.0.0.1:9') as string,
    };
    const error = await rejection(balancer.chat(HELLO, { requestId: 'r1' }));
    expect(error).toMatchObject({ attempts: [expected], route: { attempts: [expected] } });
    expect(String(error)).toContain('main: connection (ECONNREFUSED: ');
    expect(events).toEqual([
      expect.objectContaining({ ...expected, requestId: 'r1', ms: expect.any(Number) as number }),
    ]);
    expect(lines.filter(([level]) => level === 'debug')).toEqual([
      ['debug', expect.objectContaining(expected), expect.stringContaining('ECONNREFUSED')],
    ]);
  });

  it("reveals neither the endpoint nor the upstream's message to a client", async () => {
    const balancer = rig.balancer([endpointAt(NOBODY, { name: 'secret-name' })], {
      retry: { maxAttempts: 1 },
    });
    const error = (await rejection(balancer.chat(HELLO))) as { toBody(): unknown };
    expect(JSON.stringify(error.toBody())).not.toMatch(/secret-name|ECONNREFUSED|127\.0\.0\.1/);
  });

  it('whose stream contains an error object is reported a second time, with the message of that error', async () => {
    const server = createServer((req, res) => {
      req.resume().on('end', () => {
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        const delta = { choices: [{ index: 0, delta: { content: 'Your ' }, finish_reason: null }] };
        res.write(`data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', ...delta })}\n\n`);
        setTimeout(
          () => res.end('data: {"error":{"message":"The engine is overloaded.","code":"overloaded"}}\n\n'),
          50,
        );
      });
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
      const balancer = rig.balancer([endpointAt({ url })], { retry: { maxAttempts: 1 } });
      const events: object[] = [];
      balancer.on('attempt', (event) => events.push(event));
      const read = async () => {
        for await (const _chunk of await balancer.chat({ ...HELLO, stream: true }));
      };
      await rejection(read());
      expect(events).toEqual([
        expect.not.objectContaining({ class: expect.any(String) as string }),
        expect.objectContaining({
          brokeOff: true,
          class: 'server',
          message: expect.stringContaining('The engine is overloaded.') as string,
        }),
      ]);
    } finally {
      server.close();
    }
  });

  it('whose stream broke off is reported a second time, with its class and message', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'cut' });
    const balancer = rig.balancer([endpointAt(provider)]);
    const events: object[] = [];
    balancer.on('attempt', (event) => events.push(event));
    const read = async () => {
      for await (const _chunk of await balancer.chat({ ...HELLO, stream: true }));
    };
    const error = await rejection(read());
    expect(events).toEqual([
      expect.not.objectContaining({ class: expect.any(String) as string }),
      expect.objectContaining({
        brokeOff: true,
        class: expect.any(String) as string,
        message: expect.any(String) as string,
      }),
    ]);
    expect(error).toMatchObject({
      attempts: [{ class: expect.any(String) as string, message: expect.any(String) as string }],
    });
  });
});

describe('The reason why an endpoint takes no calls', () => {
  const UNAUTHORIZED =
    /^unauthorized since \d\d:\d\d:\d\d \(401 invalid_api_key: .+\), cooldown until (?:[\d-]{10} )?\d\d:\d\d:\d\d; call endpoint\('main'\)\.enable\(\) when the key is fixed$/;

  it('is in stats(), explain(), the handle and ERR_AI_UNAVAILABLE, until the endpoint is enabled', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'unauthorized', calls: 1 });
    const balancer = rig.balancer([endpointAt(provider)]);
    expect(balancer.stats().endpoints[0]).not.toHaveProperty('reason');
    await rejection(balancer.chat(HELLO));
    expect(balancer.stats().endpoints[0]?.reason).toMatch(UNAUTHORIZED);
    expect(balancer.endpoint('main').reason).toMatch(UNAUTHORIZED);
    const [verdict] = balancer.explain(HELLO).verdicts;
    expect(verdict?.removedBy).toMatch(/^cooldown: unauthorized since/);
    expect(verdict!.until! - Date.now()).toBeGreaterThan(590_000);
    const error = (await rejection(balancer.chat(HELLO, { timeoutMs: 1_000 }))) as Error;
    expect(error).toMatchObject({ code: 'ERR_AI_UNAVAILABLE' });
    expect(error.message).toMatch(/main: unauthorized since .* when the key is fixed/);
    balancer.endpoint('main').enable();
    expect(balancer.endpoint('main').reason).toBeUndefined();
  });

  it('names the failure that opened the breaker, and the time of the next probe', async () => {
    const balancer = rig.balancer([endpointAt(NOBODY)], {
      retry: { maxAttempts: 1 },
      breaker: { consecutiveFailures: 1, resetTimeoutMs: 20_000 },
    });
    await rejection(balancer.chat(HELLO));
    expect(balancer.endpoint('main').reason).toMatch(
      /^breaker open since .* after connection \(ECONNREFUSED: .*\); next probe at \d\d:\d\d:\d\d$/,
    );
  });

  it('is the cooldown of a rejected key, not the failure that had opened the breaker before', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'error', status: 503, calls: 1 });
    const balancer = rig.balancer([endpointAt(provider)], {
      retry: { maxAttempts: 1 },
      breaker: { consecutiveFailures: 1, resetTimeoutMs: 50 },
    });
    await rejection(balancer.chat(HELLO));
    expect(balancer.endpoint('main').reason).toMatch(/after server \(503/);
    provider.fault({ kind: 'unauthorized' });
    await rejection(balancer.chat(HELLO));
    await until(() => UNAUTHORIZED.test(balancer.endpoint('main').reason ?? ''));
    expect(balancer.stats().endpoints[0]).toMatchObject({
      state: expect.stringMatching(/open/) as string,
      reason: expect.stringMatching(UNAUTHORIZED) as string,
    });
  });

  it('states that the app has disabled the endpoint, or that its weight is 0', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const handle = balancer.endpoint('main');
    handle.disable();
    expect(handle.reason).toMatch(/^disabled by the app since/);
    expect(balancer.explain(HELLO).verdicts[0]?.removedBy).toMatch(/^weight: disabled by the app since/);
    handle.enable();
    handle.setWeight(0);
    expect(handle.reason).toContain('weight is 0');
  });
});

describe('Warnings about an endpoint', () => {
  it('that has never answered contain its origin, the failure and what to check', async () => {
    const { lines, logger } = collector();
    const balancer = rig.balancer([endpointAt(NOBODY)], { logger, retry: { maxAttempts: 1 } });
    for (let i = 0; i < 3; i++) await rejection(balancer.chat(HELLO));
    const warnings = lines.filter(([level]) => level === 'warn');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.[2]).toMatch(
      /endpoint 'main' at http:\/\/127\.0\.0\.1:9 has never answered: connection \(ECONNREFUSED.*is the port right\?/,
    );
  });

  it('are logged at most once per minute for each endpoint', async () => {
    fakeOnly('performance');
    try {
      const { lines, logger } = collector();
      const endpoints = [endpointAt(NOBODY), endpointAt(NOBODY, { name: 'other' })];
      const balancer = rig.balancer(endpoints, { logger, retry: { maxAttempts: 1 } });
      const warned = async (endpoint: string): Promise<string[]> => {
        lines.length = 0;
        await rejection(balancer.chat(HELLO, { endpoint }));
        return lines.filter(([level]) => level === 'warn').map(([, , message]) => message);
      };
      expect(await warned('main')).toEqual([expect.stringContaining("endpoint 'main'")]);
      jest.advanceTimersByTime(59_999);
      expect(await warned('main')).toEqual([]);
      expect(await warned('other')).toEqual([expect.stringContaining("endpoint 'other'")]);
      jest.advanceTimersByTime(1);
      expect(await warned('main')).toEqual([expect.stringContaining("endpoint 'main'")]);
      expect(await warned('other')).toEqual([]);
    } finally {
      jest.useRealTimers();
    }
  });

  it('are not logged if it has answered before', async () => {
    const { lines, logger } = collector();
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)], { logger, retry: { maxAttempts: 1 } });
    await balancer.chat(HELLO);
    provider.fault({ kind: 'reset' });
    await rejection(balancer.chat(HELLO));
    expect(lines.filter(([level]) => level === 'warn')).toEqual([]);
  });

  it('are written to console.warn without a logger, and nowhere with logger: false', async () => {
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    try {
      const retry = { maxAttempts: 1 };
      await rejection(rig.balancer([endpointAt(NOBODY)], { logger: false, retry }).chat(HELLO));
      expect(warn).not.toHaveBeenCalled();
      await rejection(rig.balancer([endpointAt(NOBODY)], { logger: undefined, retry }).chat(HELLO));
      expect(warn.mock.calls).toEqual([[expect.stringMatching(/^express-ai-balancer: endpoint 'main' at/)]]);
    } finally {
      warn.mockRestore();
    }
  });
});

describe('The log', () => {
  it('has one line per call at info and one per attempt at debug, without prompts and keys', async () => {
    const { lines, logger } = collector();
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider, { apiKey: 'sk-secret' })], { logger });
    await balancer.chat(HELLO, { requestId: 'r1', tenant: 'shop' });
    expect(lines).toEqual([
      [
        'debug',
        expect.objectContaining({ endpoint: 'main' }),
        expect.stringContaining("endpoint 'main': served"),
      ],
      [
        'info',
        expect.objectContaining({ requestId: 'r1', tenant: 'shop', endpoint: 'main', attempts: 1 }),
        expect.stringMatching(/^chat r1 was answered by endpoint 'main' \(gpt-4o\) in \d+ ms$/),
      ],
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/sk-secret|parcel/);
  });

  it('has no lines of a level that the logger has disabled', async () => {
    const { lines, logger } = collector();
    const pino = { ...logger, isLevelEnabled: (level: string) => level !== 'debug' };
    const balancer = rig.balancer([endpointAt(await rig.provider())], { logger: pino });
    await balancer.chat(HELLO);
    expect(lines.map(([level]) => level)).toEqual(['info']);
  });
});
