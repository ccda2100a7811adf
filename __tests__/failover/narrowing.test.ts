import { answer, chatText, error, Rig } from './upstream';

const rig = new Rig();
const TOO_LONG = error(400, { code: 'context_length_exceeded', message: 'maximum context length is 8192' });
const REFUSED = error(400, { code: 'content_filter', message: 'the response was filtered' });

describe.each([
  ['whole', false],
  ['streamed', true],
])('A call too long for the context window (%s)', (_, stream) => {
  it('is sent only to endpoints with a larger window, once each', async () => {
    const { balancer, upstream } = await rig.start(
      { a: TOO_LONG, same: answer(), larger: TOO_LONG, largest: answer('it fits') },
      {
        each: {
          a: { contextWindow: 8_000 },
          same: { contextWindow: 8_000 },
          larger: { contextWindow: 16_000 },
          largest: { contextWindow: 32_000 },
        },
      },
    );
    expect((await chatText(balancer, stream)).text).toBe('it fits');
    expect(upstream.requests.map(({ name }) => name)).toEqual(['a', 'larger', 'largest']);
  });

  it('fails with ERR_AI_CONTEXT_WINDOW if no window is larger, and counts against no endpoint', async () => {
    const { balancer, upstream } = await rig.start({ a: TOO_LONG, b: answer() });
    await expect(chatText(balancer, stream)).rejects.toMatchObject({
      code: 'ERR_AI_CONTEXT_WINDOW',
      status: 400,
      message: 'maximum context length is 8192',
      attempts: [{ endpoint: 'a', class: 'context_window', status: 400 }],
    });
    expect(upstream.count('b')).toBe(0);
    expect(balancer.stats().healthy).toBe(2);
  });
});

describe.each([
  ['whole', false],
  ['streamed', true],
])('A refusal by content policy (%s)', (_, stream) => {
  it('is returned unchanged', async () => {
    const { balancer, upstream } = await rig.start({ a: REFUSED, b: answer() });
    await expect(chatText(balancer, stream)).rejects.toMatchObject({
      code: 'ERR_AI_CONTENT_POLICY',
      status: 400,
      message: 'the response was filtered',
    });
    expect(upstream.count('b')).toBe(0);
  });

  it('moves the call to the models of contentPolicyFallbacks if some are configured', async () => {
    const { balancer, upstream } = await rig.start(
      { a: REFUSED, b: answer(), lenient: answer('well then') },
      { each: { lenient: { model: 'lenient' } }, contentPolicyFallbacks: { m: ['lenient'] } },
    );
    const { text } = await chatText(balancer, stream);
    expect(text).toBe('well then');
    expect(upstream.count('b')).toBe(0);
  });

  it('is returned unchanged if the filters leave no endpoint of those models', async () => {
    const { balancer } = await rig.start(
      { a: REFUSED, lenient: answer() },
      {
        each: { a: { tags: ['eu'] }, lenient: { model: 'lenient' } },
        contentPolicyFallbacks: { m: ['lenient'] },
      },
    );
    await expect(chatText(balancer, stream, { tags: ['eu'] })).rejects.toMatchObject({
      code: 'ERR_AI_CONTENT_POLICY',
      message: 'the response was filtered',
    });
  });
});

describe.each([
  ['whole', false],
  ['streamed', true],
])('A 429 that says the call alone exceeds the limit (%s)', (_, stream) => {
  it('moves the call to another endpoint and leaves this one available for smaller calls', async () => {
    const tooLarge = error(429, {
      message:
        'Request too large for gpt-4o: Limit 30000, Requested 40000. The input or output tokens must be reduced.',
      type: 'tokens',
      code: 'rate_limit_exceeded',
    });
    const { balancer, upstream } = await rig.start({ a: tooLarge, b: answer() });
    const { route } = await chatText(balancer, stream);
    expect(route.attempts[0]?.class).toBe('too_large');
    expect(balancer.stats().healthy).toBe(2);
    await chatText(balancer, stream);
    expect(upstream.count('a')).toBe(2);
  });
});
