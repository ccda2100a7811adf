import axios from 'axios';
import { createBalancer } from '../../lib/balancer/balancer';

const MESSAGES = [{ role: 'user', content: 'hi' }];
const endpoint = (name: string, differs: object = {}) => ({
  name,
  model: 'gpt-4o',
  baseURL: 'http://127.0.0.1:9',
  rpm: 600,
  tpm: 100_000,
  ...differs,
});

describe('balancer.explain()', () => {
  it('lists every endpoint, with its score and terms or with the filter that removed it', async () => {
    const balancer = createBalancer({
      endpoints: [
        endpoint('good'),
        endpoint('expensive', { price: { input: 1_000, output: 1_000 } }),
        endpoint('plain', { quality: 0.1 }),
        endpoint('out', { weight: 0 }),
        endpoint('other', { model: 'gpt-4o-mini' }),
      ],
      fallbacks: {},
    });
    const { pick, waitMs, verdicts } = balancer.explain(
      { model: 'gpt-4o', messages: MESSAGES },
      { minQuality: 0.5, maxCostPer1k: 0.1 },
    );
    expect(pick).toBe('good');
    expect(waitMs).toBe(0);
    const by = Object.fromEntries(verdicts.map((verdict) => [verdict.endpoint, verdict]));
    expect(Object.keys(by).sort()).toEqual(['expensive', 'good', 'other', 'out', 'plain']);
    expect(by.good!.terms).toMatchObject({ deadline: expect.any(Number) as number });
    expect(by.expensive!.removedBy).toMatch(/^cost: /);
    expect(by.plain!.removedBy).toMatch(/^quality: 0\.1 is below 0\.5/);
    expect(by.out!.removedBy).toMatch(/^weight: /);
    expect(by.other!.removedBy).toMatch(/^not considered/);
    await balancer.close();
  });

  it('names the feature that the dialect of several endpoints does not support', async () => {
    const anthropic = { provider: 'anthropic', model: 'claude-sonnet-4-5' };
    const balancer = createBalancer({
      endpoints: [endpoint('a', anthropic), endpoint('b', anthropic), endpoint('good')],
    });
    const { pick, verdicts } = balancer.explain({ messages: MESSAGES, n: 2 });
    expect(pick).toBe('good');
    for (const name of ['a', 'b'])
      expect(verdicts.find(({ endpoint: each }) => each === name)?.removedBy).toMatch(
        /^dialect: anthropic does not support 'n/,
      );
    await balancer.close();
  });

  it('explains an embeddings call, which goes only to endpoints with embeddings', async () => {
    const model = 'text-embedding-3-small';
    const balancer = createBalancer({ endpoints: [endpoint('chat'), endpoint('vectors', { model })] });
    expect(balancer.explain({ model, input: 'hi' }).pick).toBe('vectors');
    expect(() => balancer.explain({ model, input: '' })).toThrow('input: expected');
    await balancer.close();
  });

  it('has the scores of weighted endpoints before the first call', async () => {
    const balancer = createBalancer({
      strategy: 'weighted',
      endpoints: [endpoint('a', { weight: 1 }), endpoint('b', { weight: 3 })],
    });
    const { pick, verdicts } = balancer.explain({ model: 'gpt-4o', messages: MESSAGES });
    expect(pick).toBe('b');
    expect(verdicts.map(({ endpoint: name, score }) => [name, score])).toEqual(
      expect.arrayContaining([
        ['a', -1],
        ['b', -3],
      ]),
    );
    await balancer.close();
  });

  it('says why no endpoint can serve a call without a model', async () => {
    const balancer = createBalancer({ endpoints: [endpoint('a'), endpoint('b', { tags: ['us'] })] });
    await expect(balancer.chat({ messages: MESSAGES }, { tags: ['eu'] })).rejects.toMatchObject({
      code: 'ERR_AI_NO_ENDPOINT',
      message: "no endpoint can serve the call: a (tags: lacks the tag 'eu'); b (tags: lacks the tag 'eu')",
    });
    await balancer.close();
  });

  it('picks the endpoint that the call names, and throws for a model that no endpoint serves', async () => {
    const balancer = createBalancer({ endpoints: [endpoint('a'), endpoint('b')] });
    const explain = (model: string) => balancer.explain({ model, messages: MESSAGES }, { endpoint: 'b' });
    expect(explain('gpt-4o').pick).toBe('b');
    expect(() => explain('gpt-4')).toThrow("no endpoint serves the model 'gpt-4' (did you mean 'gpt-4o'?)");
    await expect(
      balancer.embeddings({ model: 'gpt-4', input: 'x' }, { endpoint: 'b' }),
    ).rejects.toMatchObject({ code: 'ERR_AI_NO_ENDPOINT', status: 404 });
    await balancer.close();
  });

  it('changes no state: round-robin does not advance and the statistics stay the same', async () => {
    const balancer = createBalancer({ strategy: 'round-robin', endpoints: [endpoint('a'), endpoint('b')] });
    const before = balancer.stats();
    for (let n = 0; n < 20; n++) {
      expect(balancer.explain({ model: 'gpt-4o', messages: MESSAGES }).pick).toBe('a');
    }
    expect(balancer.stats()).toEqual(before);
    await balancer.close();
  });

  it('reports the wait if no endpoint has quota left', async () => {
    const silent = axios.create({ adapter: () => new Promise<never>(() => undefined) });
    const balancer = createBalancer({
      endpoints: [endpoint('small', { tpm: 6_000 })],
      http: { axios: silent },
    });
    const big = { model: 'gpt-4o', messages: MESSAGES, max_tokens: 900 };
    const caller = new AbortController();
    const waiting = balancer.chat(big, { signal: caller.signal }).catch(() => undefined);
    await new Promise(setImmediate);
    const { pick, waitMs } = balancer.explain(big);
    expect(pick).toBe('small');
    expect(waitMs).toBeGreaterThan(1_000);
    caller.abort();
    await waiting;
    await balancer.close();
  });

  it('reports why no endpoint can serve a call, and throws for an invalid body', async () => {
    const balancer = createBalancer({ endpoints: [endpoint('a', { tags: ['eu'] })] });
    const { pick, verdicts } = balancer.explain({ model: 'gpt-4o', messages: MESSAGES }, { tags: ['us'] });
    expect(pick).toBeUndefined();
    expect(verdicts).toEqual([{ endpoint: 'a', removedBy: "tags: lacks the tag 'us'" }]);
    expect(() => balancer.explain({ messages: [] })).toThrow(/messages/);
    await balancer.close();
  });
});
