import type { AiBalancerError, CallOptions, ChatBody, EndpointConfig } from 'express-ai-balancer';
import { answer, BODY, Rig, rejection } from '../failover/upstream';

const rig = new Rig();

async function start(each: Record<string, Partial<EndpointConfig>>) {
  const plays = Object.fromEntries(Object.keys(each).map((name) => [name, answer()]));
  return rig.start(plays, { each });
}

/** Returns the endpoint that serves the call, and the reasons why the others do not. */
async function served(
  each: Record<string, Partial<EndpointConfig>>,
  options: CallOptions,
  body: ChatBody = BODY,
): Promise<[string, Record<string, string | undefined>]> {
  const { balancer } = await start(each);
  const { route } = await balancer.chat(body, options).withRoute();
  const reasons = route.why.filter(({ removedBy }) => removedBy !== undefined);
  return [
    route.endpoint,
    Object.fromEntries(reasons.map(({ endpoint, removedBy }) => [endpoint, removedBy])),
  ];
}

describe('Routing filters keep only endpoints that', () => {
  it('have all tags of the call', async () => {
    expect(
      await served({ us: { tags: ['us'] }, eu: { tags: ['eu', 'gdpr'] } }, { tags: ['eu', 'gdpr'] }),
    ).toEqual(['eu', { us: "tags: lacks the tag 'eu'" }]);
  });

  it('have at least the minimum quality', async () => {
    expect(await served({ cheap: { quality: 0.5 }, good: { quality: 0.8 } }, { minQuality: 0.8 })).toEqual([
      'good',
      { cheap: 'quality: 0.5 is below 0.8' },
    ]);
  });

  it('have a price of at most maxCostPer1k, so that an endpoint without a price is removed', async () => {
    const each = {
      unknown: {},
      expensive: { price: { input: 10, output: 10 } },
      cheap: { price: { input: 1, output: 1 } },
    };
    const [endpoint, reasons] = await served(each, { maxCostPer1k: 0.002 });
    expect(endpoint).toBe('cheap');
    expect(reasons).toEqual({
      unknown: 'cost: the endpoint has no price',
      expensive: 'cost: 0.0100 USD per 1,000 tokens is above 0.002',
    });
  });

  it('have a price of at most maxCostPer1k for the mix of prompt and expected output of the call', async () => {
    const each = { a: { price: { input: 1, output: 9 } }, b: { price: { input: 4, output: 4 } } };
    const tokens = { estimatedTokens: 1_000, maxCostPer1k: 0.0045 };
    expect((await served(each, { ...tokens, estimatedOutputTokens: 100 }))[0]).toBe('a');
    expect((await served(each, { ...tokens, estimatedOutputTokens: 900 }))[0]).toBe('b');
  });

  it.each([
    ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    ['json_schema', { response_format: { type: 'json_schema', json_schema: {} } }],
    [
      'vision',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x.test/a.png' } }] },
        ],
      },
    ],
  ])('support %s when the call needs it', async (capability, more) => {
    const all = ['chat', 'streaming', 'tools', 'json_schema', 'vision'];
    const each = {
      plain: { capabilities: all.filter((one) => one !== capability) },
      able: { capabilities: all },
    };
    expect(await served(each, {}, { ...BODY, ...more })).toEqual([
      'able',
      { plain: `capability: lacks '${capability}'` },
    ]);
    expect((await served(each, {}))[0]).toBe('plain');
  });

  it('have the name given in the endpoint option', async () => {
    expect((await served({ a: {}, b: {} }, { endpoint: 'b' }))[0]).toBe('b');
  });
});

describe('ERR_AI_NO_ENDPOINT', () => {
  it.each<[string, Partial<EndpointConfig>, CallOptions, RegExp]>([
    ['tags', {}, { tags: ['eu'] }, /a \(tags: lacks the tag 'eu'\)/],
    ['quality', { quality: 0.4 }, { minQuality: 0.9 }, /a \(quality: 0.4 is below 0.9\)/],
    ['cost', {}, { maxCostPer1k: 1 }, /a \(cost: the endpoint has no price\)/],
    ['endpoint', {}, { endpoint: 'b' }, /a \(endpoint: the call names another endpoint\)/],
    ['capability', { capabilities: ['chat'] }, {}, /a \(capability: lacks 'tools'\)/],
  ])('names the filter that removed the last endpoint: %s', async (_filter, more, options, reason) => {
    const { balancer, upstream } = await start({ a: more });
    const body = { ...BODY, ...(more.capabilities ? { tools: [{}] } : {}) };
    const failed = (await rejection(balancer.chat(body, options))) as AiBalancerError;
    expect(failed).toMatchObject({ code: 'ERR_AI_NO_ENDPOINT', status: 404, retryable: false });
    expect(failed.message).toMatch(reason);
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('A context window', () => {
  const windows = { narrow: { contextWindow: 1_000 }, wide: { contextWindow: 10_000 } };
  const call = (tokens: number) => ({ estimatedTokens: tokens + 1, estimatedOutputTokens: 1 });

  it('must be large enough for the prompt plus max_tokens', async () => {
    expect((await served(windows, call(900)))[0]).toBe('narrow');
    expect(await served(windows, call(900), { ...BODY, max_tokens: 101 })).toEqual([
      'wide',
      { narrow: 'context window: 1000 is below 1001' },
    ]);
  });

  it('of the largest size is tried if the estimate of the call exceeds it but 70 % of the estimate does not', async () => {
    expect((await served(windows, call(14_000)))[0]).toBe('wide');
  });

  it('that is smaller than 70 % of the estimate at every endpoint fails the call without an attempt', async () => {
    const { balancer, upstream } = await start(windows);
    await expect(balancer.chat(BODY, call(14_300))).rejects.toMatchObject({
      code: 'ERR_AI_CONTEXT_WINDOW',
      status: 400,
      param: 'messages',
    });
    expect(upstream.requests).toHaveLength(0);
  });
});
