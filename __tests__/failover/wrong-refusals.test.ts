import type { AiBalancerError } from 'express-ai-balancer';
import { answer, chatText, error, type Responder, Rig, rejection } from './upstream';

const rig = new Rig();
const body = (content: string) => ({ model: 'm', messages: [{ role: 'user' as const, content }] });
const refusal = error(400, { message: 'Invalid request' });

/** Refuses every `nth` request, and those that are invalid. */
function refusesEvery(nth: number): Responder {
  let count = 0;
  return (arrival) => {
    count += 1;
    const isInvalid = JSON.stringify(arrival.body).includes('invalid');
    (count % nth === 0 || isInvalid ? refusal : answer(arrival.name))(arrival);
  };
}
const sound = refusesEvery(Infinity);
const SAME_TIER = { each: { wrong: { tier: 0 }, a: { tier: 0 }, b: { tier: 0 } } };
describe('An endpoint that refuses requests which the others serve', () => {
  it.each([false, true])(
    'is doubted after a few refusals: other endpoints are tried, and callers get no 400 (stream: %s)',
    async (stream) => {
      const { balancer, upstream } = await rig.start({ wrong: refusesEvery(4), a: sound, b: sound });
      const failed: number[] = [];
      for (let n = 0; n < 60; n++) {
        await chatText(balancer, stream).catch(() => failed.push(n));
      }
      expect(failed.length).toBeLessThanOrEqual(4);
      expect(Math.max(...failed)).toBeLessThan(20);
      expect(upstream.count('a') + upstream.count('b')).toBeGreaterThanOrEqual(10);
    },
  );

  it('gets fewer calls, because its refusals count like failures in the score', async () => {
    const { balancer, upstream } = await rig.start({ wrong: refusesEvery(3), a: sound, b: sound }, SAME_TIER);
    // The endpoint is drawn: a third of them must be enough for refusals to stand out.
    for (let n = 0; n < 120; n++) await balancer.chat(body(`number ${n}`)).catch(() => undefined);
    const before = upstream.count('wrong');
    for (let n = 0; n < 40; n++) await balancer.chat(body(`number ${n}`));
    expect(upstream.count('wrong') - before).toBeLessThan(8);
  });

  it.each([
    ['bad_request', refusal, 'ERR_AI_BAD_REQUEST'],
    ['content_policy', error(400, { code: 'content_filter' }), 'ERR_AI_CONTENT_POLICY'],
  ])('is tried once if there is no other endpoint, and its %s is returned', async (_, responder, code) => {
    const { balancer, upstream } = await rig.start({ only: responder });
    for (let n = 0; n < 10; n++) {
      expect(await rejection(balancer.chat(body(`number ${n}`)))).toMatchObject({ code });
    }
    expect(upstream.count('only')).toBe(10);
  });
});

describe('An invalid request', () => {
  it('is refused with a 400 by at most two endpoints, however often it is sent, and all endpoints stay healthy', async () => {
    const { balancer, upstream } = await rig.start({ first: sound, a: sound, b: sound });
    for (let n = 0; n < 30; n++) await balancer.chat(body('hello'));
    const before = upstream.requests.length;
    for (let n = 0; n < 30; n++) {
      const failed = (await rejection(balancer.chat(body('invalid')))) as AiBalancerError;
      expect(failed).toMatchObject({ code: 'ERR_AI_BAD_REQUEST', status: 400 });
      expect(failed.attempts!.length).toBeLessThanOrEqual(2);
    }
    expect(upstream.requests.length - before).toBeLessThanOrEqual(60);
    expect(balancer.stats().healthy).toBe(3);
  });

  it('that names its endpoint casts no doubt on that endpoint', async () => {
    const { balancer } = await rig.start({ named: sound, a: sound });
    for (let n = 0; n < 30; n++) await rejection(balancer.chat(body('invalid'), { endpoint: 'named' }));
    const failed = (await rejection(balancer.chat(body('invalid')))) as AiBalancerError;
    expect(failed.attempts).toHaveLength(1);
  });
});
