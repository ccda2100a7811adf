import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { type AICall, AiBalancerError, type Balancer, type BalancerStats } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { endpointAt, HELLO, Rig, rejection } from '../helpers/provider';

const rig = new Rig();
let provider: SimulatedProvider;
let balancer: Balancer;
let untouched: BalancerStats['endpoints'];

beforeEach(async () => {
  provider = await rig.provider();
  balancer = rig.balancer([endpointAt(provider, { rpm: 600, tpm: 100_000 })]);
  untouched = balancer.stats().endpoints;
});

type Loose = (body: unknown, options?: unknown) => AICall<unknown>;
const chat: Loose = (body, options) => (balancer.chat as Loose).call(balancer, body, options);
const embeddings: Loose = (body, options) => (balancer.embeddings as Loose).call(balancer, body, options);

const circular: Record<string, unknown> = { ...HELLO };
circular.self = circular;

const BODIES: [what: string, call: () => AICall<unknown>, param: string][] = [
  ['a missing body', () => chat(undefined), 'body'],
  ['a body of null', () => chat(null), 'body'],
  ['a body that is a string', () => chat('hello'), 'body'],
  ['a body that is an array', () => chat([]), 'body'],
  ['a body without messages', () => chat({ model: 'gpt-4o' }), 'messages'],
  ['an empty list of messages', () => chat({ messages: [] }), 'messages'],
  ['messages that are a string', () => chat({ messages: 'hi' }), 'messages'],
  ['a message that is a string', () => chat({ messages: ['hi'] }), 'messages[0]'],
  ['a message without a role', () => chat({ messages: [{ content: 'hi' }] }), 'messages[0].role'],
  [
    'a content that is a number',
    () => chat({ messages: [{ role: 'user', content: 5 }] }),
    'messages[0].content',
  ],
  ['a model that is not a string', () => chat({ ...HELLO, model: 4 }), 'model'],
  ['an empty model', () => chat({ ...HELLO, model: '' }), 'model'],
  ["stream: 'yes'", () => chat({ ...HELLO, stream: 'yes' }), 'stream'],
  ['negative max_tokens', () => chat({ ...HELLO, max_tokens: -1 }), 'max_tokens'],
  ['NaN max_tokens', () => chat({ ...HELLO, max_tokens: Number.NaN }), 'max_tokens'],
  [
    'infinite max_completion_tokens',
    () => chat({ ...HELLO, max_completion_tokens: Infinity }),
    'max_completion_tokens',
  ],
  ['n of 0', () => chat({ ...HELLO, n: 0 }), 'n'],
  ['a temperature that is a string', () => chat({ ...HELLO, temperature: 'hot' }), 'temperature'],
  ['tools that are not an array', () => chat({ ...HELLO, tools: {} }), 'tools'],
  ['an invalid body with stream: true', () => chat({ messages: [], stream: true }), 'messages'],
  ['an embedding without a model', () => embeddings({ input: 'a' }), 'model'],
  ["an embedding with the model 'auto'", () => embeddings({ model: 'auto', input: 'a' }), 'model'],
  ['an embedding of an empty input', () => embeddings({ model: 'gpt-4o', input: [] }), 'input'],
  [
    'an embedding of numbers that are not token ids',
    () => embeddings({ model: 'gpt-4o', input: [1.5] }),
    'input',
  ],
];

const OPTIONS: [what: string, options: unknown, param: string][] = [
  ['options that are a string', 'fast', 'options'],
  ['options that are null', null, 'options'],
  ['a priority of 7', { priority: 7 }, 'priority'],
  ['a priority of 2.5', { priority: 2.5 }, 'priority'],
  ["a priority of '3'", { priority: '3' }, 'priority'],
  ['a negative maxLatencyMs', { maxLatencyMs: -5 }, 'maxLatencyMs'],
  ['a NaN timeoutMs', { timeoutMs: Number.NaN }, 'timeoutMs'],
  ['a timeoutMs of 0', { timeoutMs: 0 }, 'timeoutMs'],
  ['a negative maxCostPer1k', { maxCostPer1k: -1 }, 'maxCostPer1k'],
  ['a minQuality above 1', { minQuality: 2 }, 'minQuality'],
  ['an unknown type', { type: 'poem' }, 'type'],
  ['an empty tenant', { tenant: '' }, 'tenant'],
  ['a tenant of a megabyte', { tenant: 'x'.repeat(1e6) }, 'tenant'],
  ['tags that are a string', { tags: 'eu' }, 'tags'],
  ['fallbacks: true', { fallbacks: true }, 'fallbacks'],
  ["hedge: 'no'", { hedge: 'no' }, 'hedge'],
  ['a signal that is not an AbortSignal', { signal: {} }, 'signal'],
  ['an endpoint that is not a string', { endpoint: 1 }, 'endpoint'],
  ['an unknown option', { prority: 5 }, 'prority'],
];

function expectBadRequest(error: unknown, param: string): void {
  expect(AiBalancerError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ code: 'ERR_AI_BAD_REQUEST', status: 400, param, retryable: false });
  expect((error as Error).message).toContain(param);
}

function expectNothingHappened(): void {
  expect(provider.stats().seen).toBe(0);
  expect(balancer.stats().endpoints).toEqual(untouched);
}

describe('Balancer: an invalid body', () => {
  it.each(BODIES)(
    'such as %s is rejected with the name of the field, and nothing is sent or reserved',
    async (_, call, param) => {
      expectBadRequest(await rejection(call()), param);
      expectNothingHappened();
    },
  );

  it.each([
    ['refers to itself', circular],
    ['holds a BigInt', { ...HELLO, seed: 1n }],
  ])("that %s is rejected as the caller's fault and does not count against the endpoint", async (_, body) => {
    const error = await rejection(chat(body));
    expect(error).toMatchObject({ code: 'ERR_AI_BAD_REQUEST', status: 400 });
    expect(String(error)).not.toContain('parcel');
    expectNothingHappened();
  });

  it('whose getters throw makes the call reject with that error rather than throw', async () => {
    const thrower = new Proxy(HELLO, {
      get: () => {
        throw new Error('a getter of the app');
      },
    });
    expect(await rejection(chat(thrower))).toMatchObject({ message: 'a getter of the app' });
    expectNothingHappened();
  });

  it('with several invalid fields is rejected with the names of all of them', async () => {
    const error = await rejection(chat({ ...HELLO, n: 0, temperature: 'hot', tools: {} }));
    expectBadRequest(error, 'n');
    expect((error as Error).message).toMatch(/^n: .*; temperature: .*; tools: /);
    expectNothingHappened();
  });

  it('is never quoted in the error', async () => {
    const error = await rejection(chat({ messages: [{ role: 'user', content: { secret: 'my diary' } }] }));
    expect(JSON.stringify(error) + String(error)).not.toContain('diary');
  });
});

describe('Balancer: invalid call options', () => {
  it.each(OPTIONS)(
    'such as %s are rejected with the name of the option, and nothing is sent or reserved',
    async (_, options, param) => {
      expectBadRequest(await rejection(chat(HELLO, options)), param);
      expectBadRequest(await rejection(chat({ ...HELLO, stream: true }, options)), param);
      expectBadRequest(await rejection(embeddings({ model: 'gpt-4o', input: 'a' }, options)), param);
      expectNothingHappened();
    },
  );

  it('are all listed in one error, whose param is the first', async () => {
    const error = await rejection(chat(HELLO, { prority: 5, timeoutMs: -1, tags: 'eu', hedge: 'no' }));
    expectBadRequest(error, 'prority');
    expect((error as Error).message).toBe(
      "prority: unknown option, did you mean 'priority'?; tags: expected an array of strings that are not empty, " +
        'got a string; timeoutMs: expected a finite number above 0, got -1; hedge: expected true or false, got a string',
    );
    expectNothingHappened();
  });

  it('are listed in the error up to a maximum of twenty', async () => {
    const options = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`x${index}`, 1]));
    const { message } = (await rejection(chat(HELLO, options))) as Error;
    expect(message).toMatch(/; x19: unknown option; and 980 more$/);
  });

  it('are rejected with a suggestion of the option that was probably meant', async () => {
    expect(((await rejection(chat(HELLO, { prority: 5 }))) as Error).message).toContain("'priority'");
  });

  it('do not include options that are undefined, which count as absent', async () => {
    await chat(HELLO, { priority: undefined, tenant: undefined, signal: undefined });
    expect(provider.stats().answered).toBe(1);
  });
});

describe('Balancer: a call to an endpoint whose port is closed', () => {
  it('is served by another endpoint', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const two = rig.balancer([
      endpointAt({ url: `http://127.0.0.1:${port}/v1` }, { name: 'gone' }),
      endpointAt(provider, { name: 'there', tier: 1 }),
    ]);
    const { route } = await two.chat(HELLO).withRoute();
    expect(route.attempts).toMatchObject([{ endpoint: 'gone', class: 'connection' }, { endpoint: 'there' }]);
  });
});
