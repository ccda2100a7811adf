import type { AiBalancerError } from 'express-ai-balancer';
import { answer, BODY, chatText, error, inSequence, Rig, rejection, statsOf, until } from './upstream';

const rig = new Rig();
const limited = (ms: number) => error(429, {}, { 'retry-after-ms': `${ms}` });

describe('While the only other endpoint is cooling down', () => {
  it('an endpoint that failed with a server error is tried again after the backoff', async () => {
    const { balancer, upstream } = await rig.start(
      { a: inSequence(answer(), error(503), answer('again')), b: limited(20_000) },
      { retry: { baseDelayMs: 60 } },
    );
    balancer.endpoint('a').setWeight(0);
    await rejection(balancer.chat(BODY, { timeoutMs: 5_000 }));
    balancer.endpoint('a').setWeight(1);
    await chatText(balancer, false);
    const from = performance.now();
    const { text, route } = await chatText(balancer, false);
    expect(text).toBe('again');
    expect(route.attempts.map(({ endpoint }) => endpoint)).toEqual(['a', 'a']);
    const [before, again] = upstream.requests.slice(-2).map(({ at }) => at);
    // The upper half of 60 ms.
    expect(again! - before!).toBeGreaterThanOrEqual(28);
    expect(performance.now() - from).toBeLessThan(10_000);
  });

  it('a call waits for an endpoint whose Retry-After ends sooner', async () => {
    const { balancer } = await rig.start({
      a: inSequence(limited(150), answer('sooner')),
      b: limited(20_000),
    });
    const { text, route } = await chatText(balancer, false);
    expect(text).toBe('sooner');
    expect(route.attempts.map(({ endpoint }) => endpoint)).toEqual(['a', 'b', 'a']);
  });

  it('a call waits for it if its cooldown ends before the backoff', async () => {
    const { balancer } = await rig.start(
      { a: error(503), b: inSequence(limited(300), answer('b')) },
      { retry: { baseDelayMs: 8_000 }, each: { b: { tier: 0 }, a: { tier: 1 } } },
    );
    await until(() => statsOf(balancer, 'b').state === 'closed');
    const { text, route } = await chatText(balancer, false);
    expect(text).toBe('b');
    expect(route.attempts.map(({ endpoint }) => endpoint)).toEqual(['b', 'a', 'b']);
  });
});

it('a call that only got 429s reports when the first endpoint can be tried again', async () => {
  const { balancer } = await rig.start({ a: limited(20_000), b: limited(9_000) });
  const failed = (await rejection(balancer.chat(BODY, { timeoutMs: 5_000 }))) as AiBalancerError;
  expect(failed).toMatchObject({ code: 'ERR_AI_ALL_FAILED', status: 429 });
  expect(failed.retryAfterMs).toBeGreaterThan(7_000);
  expect(failed.retryAfterMs).toBeLessThanOrEqual(9_900);
});

it('a call that used up its attempts while another endpoint is available can be retried at once', async () => {
  const { balancer } = await rig.start({ a: error(500), b: answer() }, { retry: { maxAttempts: 1 } });
  const failed = (await rejection(balancer.chat(BODY))) as AiBalancerError;
  expect(failed).toMatchObject({ code: 'ERR_AI_ALL_FAILED', retryAfterMs: 1 });
});
