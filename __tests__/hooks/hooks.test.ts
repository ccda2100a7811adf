import type { ChatBody, ChatCompletion, Hooks } from 'express-ai-balancer';
import {
  answer,
  BODY,
  chatText,
  error,
  type Responder,
  Rig,
  rejection,
  statsOf,
  type UpstreamRequest,
} from '../failover/upstream';

const rig = new Rig();

const textOf = (answered: unknown): string => (answered as ChatCompletion).choices[0]?.message.content ?? '';

/** An answer with another text. */
const withText = (answered: unknown, text: string): ChatCompletion => {
  const whole = answered as ChatCompletion;
  const [choice] = whole.choices;
  return { ...whole, choices: [{ ...choice!, message: { ...choice!.message, content: text } }] };
};

const echo: Responder = (arrival: UpstreamRequest) => {
  const [message] = arrival.body['messages'] as { content: string }[];
  answer(message!.content)(arrival);
};

describe('hooks.before', () => {
  it.each([false, true])('can replace the body of a call (streamed: %s)', async (stream) => {
    const before: Hooks['before'] = ({ body }) => ({
      body: { ...body, messages: [{ role: 'user', content: 'redacted' }] } as ChatBody,
    });
    const { balancer, upstream } = await rig.start({ a: echo }, { hooks: { before } });
    expect((await chatText(balancer, stream)).text).toBe('redacted');
    expect(upstream.requests[0]!.body['messages']).toEqual([{ role: 'user', content: 'redacted' }]);
  });

  it.each([false, true])('can answer a call in place of an endpoint (streamed: %s)', async (stream) => {
    const before: Hooks['before'] = () => ({
      answer: withText(
        { choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant' } }] },
        'canned',
      ),
    });
    const { balancer, upstream } = await rig.start({ a: answer() }, { hooks: { before } });
    const { text, route } = await chatText(balancer, stream);
    expect(text).toBe('canned');
    expect(route).toMatchObject({ shared: 'hook', attempts: [], costUsd: 0, endpoint: '' });
    expect(upstream.requests).toHaveLength(0);
    expect(balancer.stats().calls.ok).toBe(1);
  });

  it('can refuse a call with its own status and message, and nothing is sent', async () => {
    const { balancer, upstream } = await rig.start(
      { a: answer() },
      { hooks: { before: () => ({ refuse: { status: 422, message: 'No card numbers, please.' } }) } },
    );
    const refused = await rejection(balancer.chat(BODY));
    expect(refused).toMatchObject({ code: 'ERR_AI_CONTENT_POLICY', status: 422, retryable: false });
    expect((refused as { toBody(): unknown }).toBody()).toMatchObject({
      error: { message: 'No card numbers, please.' },
    });
    expect(upstream.requests).toHaveLength(0);
    expect(statsOf(balancer, 'a').failures).toBe(0);
  });

  it('runs for several hooks in order, each with the body that the one before has returned', async () => {
    const append =
      (word: string): Hooks['before'] =>
      async ({ body }) => {
        await Promise.resolve();
        const [message] = (body as ChatBody).messages;
        return {
          body: {
            ...body,
            messages: [{ ...message!, content: `${message!.content as string} ${word}` }],
          } as ChatBody,
        };
      };
    const { balancer } = await rig.start(
      { a: echo },
      { hooks: [{ before: append('one') }, { before: append('two') }] },
    );
    const body = { model: 'm', messages: [{ role: 'user', content: 'zero' }] };
    expect(textOf(await balancer.chat(body))).toBe('zero one two');
  });

  it('leaves the id of the call unchanged when it replaces the body', async () => {
    const seen: string[] = [];
    const { balancer } = await rig.start(
      { a: answer() },
      {
        hooks: {
          before: ({ requestId, body }) => {
            seen.push(requestId);
            return { body };
          },
        },
      },
    );
    const { route } = await balancer.chat(BODY, { timeoutMs: 5_000 }).withRoute();
    expect(seen).toEqual([route.requestId]);
  });
});

describe('hooks.after', () => {
  it('can replace the answer', async () => {
    const after: Hooks['after'] = (_call, given) => ({
      answer: withText(given, textOf(given).toUpperCase()),
    });
    const { balancer } = await rig.start({ a: answer('quiet') }, { hooks: { after } });
    expect((await chatText(balancer, false)).text).toBe('QUIET');
  });

  it('gets the endpoint that answered and the request', async () => {
    const calls: unknown[] = [];
    const after: Hooks['after'] = (call) => void calls.push(call);
    const { balancer } = await rig.start({ a: answer() }, { hooks: { after } });
    await balancer.chat(BODY, { tenant: 't' });
    expect(calls).toMatchObject([
      { endpoint: 'a', operation: 'chat', stream: false, rejected: 0, body: BODY, context: { tenant: 't' } },
    ]);
  });

  it('can refuse the answer, whose cost is reported in the call event', async () => {
    const { balancer } = await rig.start(
      { a: answer() },
      {
        hooks: { after: () => ({ refuse: { message: 'Not that.' } }) },
        each: { a: { price: { input: 1, output: 1 } } },
      },
    );
    const events: unknown[] = [];
    balancer.on('call', (event) => events.push(event));
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      code: 'ERR_AI_CONTENT_POLICY',
      status: 400,
    });
    expect(events).toMatchObject([{ failed: true, code: 'ERR_AI_CONTENT_POLICY', costUsd: 15e-6 }]);
  });

  it('can reject an answer, which sends the call to another endpoint and does not count as a failure', async () => {
    const after: Hooks['after'] = (_call, given) => (textOf(given) === 'bad' ? { retry: {} } : undefined);
    const { balancer } = await rig.start({ a: answer('bad'), b: answer('good') }, { hooks: { after } });
    const { text, route } = await chatText(balancer, false);
    expect(text).toBe('good');
    expect(route).toMatchObject({ endpoint: 'b', wastedTokens: 15 });
    expect(route.attempts.map(({ endpoint }) => endpoint)).toEqual(['a', 'b']);
    expect(statsOf(balancer, 'a').failures).toBe(0);
  });

  it('can reject an answer and send another body to any endpoint', async () => {
    const after: Hooks['after'] = ({ rejected }) =>
      rejected === 0
        ? { retry: { body: { model: 'm', messages: [{ role: 'user', content: 'repair' }] } } }
        : undefined;
    const { balancer, upstream } = await rig.start({ a: echo }, { hooks: { after } });
    expect((await chatText(balancer, false)).text).toBe('repair');
    expect(upstream.count('a')).toBe(2);
  });

  it('makes the call fail if it rejects every answer, when no endpoint is left or after three more tries', async () => {
    const after: Hooks['after'] = () => ({ retry: {} });
    const alone = await rig.start({ a: answer() }, { hooks: { name: 'judge', after } });
    expect(await rejection(alone.balancer.chat(BODY))).toMatchObject({
      code: 'ERR_AI_ALL_FAILED',
      message: expect.stringContaining('rejected by judge') as string,
    });
    const five = { a: answer(), b: answer(), c: answer(), d: answer(), e: answer() };
    const { balancer, upstream } = await rig.start(five, { hooks: { after } });
    expect(await rejection(balancer.chat(BODY))).toMatchObject({ code: 'ERR_AI_ALL_FAILED', status: 502 });
    expect(upstream.requests).toHaveLength(4);
  });
});

describe('A hook that fails', () => {
  const FAULTS: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('out of order');
      },
    ],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what an app may do
    ['rejects with undefined', () => Promise.reject(undefined)],
    ['hangs', () => new Promise(() => undefined)],
    ['returns a string', () => 'yes'],
    ['returns two results', () => ({ refuse: { message: 'x' }, answer: {}, text: 'x' })],
    ['returns a refusal without a message', () => ({ refuse: {} })],
  ];

  it.each(FAULTS)('makes its own call fail but no concurrent one, if it %s', async (_what, fault) => {
    for (const method of ['before', 'after', 'text'] as const) {
      let runs = 0;
      const hooks = { [method]: () => (runs++ === 0 ? fault() : undefined), timeoutMs: 50 } as Hooks;
      const { balancer } = await rig.start({ a: answer() }, { hooks });
      const isStream = method === 'text';
      const calls = [1, 2, 3].map(() => chatText(balancer, isStream));
      const results = await Promise.allSettled(calls);
      const failed = results.filter((result) => result.status === 'rejected');
      expect(failed.map(({ reason }) => reason as unknown)).toEqual([expect.any(Error)]);
      for (const result of results)
        if (result.status === 'fulfilled') expect(result.value.text).toBe('Hello');
      expect(balancer.stats().calls).toMatchObject({ ok: 2, failed: 1 });
      expect(statsOf(balancer, 'a')).toMatchObject({ inFlight: 0, failures: 0 });
    }
  });

  it.each(FAULTS)("is skipped with onFailure 'open' and one warning, if it %s", async (_what, fault) => {
    for (const method of ['before', 'after', 'text'] as const) {
      const warn = jest.fn<undefined, [object, string]>();
      const none = jest.fn();
      const logger = { debug: none, info: none, warn, error: none };
      const hooks = {
        name: 'judge',
        [method]: fault,
        timeoutMs: 50,
        onFailure: 'open',
      } as unknown as Hooks;
      const { balancer } = await rig.start({ a: answer() }, { hooks, logger });
      for (let n = 0; n < 2; n++) expect((await chatText(balancer, method === 'text')).text).toBe('Hello');
      const lines = warn.mock.calls.map(([, line]) => line).filter((line) => line.includes('judge'));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain(`${method}() of judge failed, and calls go on without it`);
    }
  });

  it("does not include one that refuses, which ends the call even with onFailure 'open'", async () => {
    const { balancer } = await rig.start(
      { a: answer() },
      { hooks: { before: () => ({ refuse: { message: 'no' } }), onFailure: 'open' } },
    );
    expect(await rejection(balancer.chat(BODY))).toMatchObject({ code: 'ERR_AI_CONTENT_POLICY' });
  });
});

describe('hooks.after, when the first endpoint fails,', () => {
  it('gets only the answer that the caller gets', async () => {
    const after = jest.fn();
    const { balancer } = await rig.start({ a: error(500), b: answer() }, { hooks: { after } });
    await balancer.chat(BODY);
    expect(after).toHaveBeenCalledTimes(1);
  });
});
