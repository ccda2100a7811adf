import express from 'express';
import { aiGateway } from 'express-ai-balancer';
import { answer, error, inSequence, type Responder, Rig, type RigConfig, reset } from '../failover/upstream';
import { post, TestServer } from '../helpers/express';

const rig = new Rig();
const site = new TestServer();
const limited = (ms: number) => error(429, {}, { 'retry-after-ms': String(ms) });
const BODY = { model: 'm', messages: [{ role: 'user', content: 'Where is my parcel?' }] };

async function refused(endpoints: Record<string, Responder>, config: RigConfig = {}) {
  const { balancer } = await rig.start(endpoints, {
    timeouts: { totalMs: 5_000 },
    retry: { maxAttempts: 2, baseDelayMs: 5, maxDelayMs: 10 },
    ...config,
  });
  const app = express().use('/v1', aiGateway(balancer, { authenticate: false }));
  const url = await site.listen(app);
  return { balancer, ask: () => post(`${url}/v1/chat/completions`, {}, BODY) };
}

describe('The gateway, after every endpoint that was tried has failed,', () => {
  it.each([
    ['the only endpoint is rate limited for seconds', { a: limited(7_000) }, 429, 7_000, 7_700],
    [
      'one endpoint is rate limited and another fails',
      { a: limited(7_000), b: error(500, {}, { 'x-should-retry': 'false' }) },
      502,
      1,
      7_700,
    ],
    ['a 503 has a Retry-After', { a: error(503, {}, { 'retry-after': '20' }) }, 502, 19_000, 20_000],
  ])('tells the client when to retry if %s', async (_what, endpoints, status, least, most) => {
    const { ask } = await refused(endpoints);
    const { headers, ...response } = await ask();
    expect(response).toMatchObject({ status, json: { error: { code: 'ERR_AI_ALL_FAILED' } } });
    expect(headers.get('x-should-retry')).toBeNull();
    const ms = Number(headers.get('retry-after-ms'));
    expect(ms).toBeGreaterThanOrEqual(least - 1_500);
    expect(ms).toBeLessThanOrEqual(most);
    expect(Number(headers.get('retry-after'))).toBe(Math.ceil(ms / 1_000));
  });

  it('tells the client to retry after a rate limit of less than a second that lasts beyond the deadline', async () => {
    const { ask } = await refused(
      { a: inSequence(limited(900), answer('later')) },
      { timeouts: { totalMs: 890 } },
    );
    const { status, headers } = await ask();
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after-ms'))).toBeLessThanOrEqual(990);
    expect(headers.get('x-should-retry')).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, Number(headers.get('retry-after-ms'))));
    expect((await ask()).status).toBe(200);
  });

  it.each([
    ['all endpoints are failing', { a: error(500), b: reset }],
    [
      'the only key is invalid and its cooldown is ten minutes',
      { a: error(401, { code: 'invalid_api_key' }) },
    ],
    ['the only endpoint is rate limited for an hour', { a: error(429, {}, { 'retry-after': '3600' }) }],
  ])('tells the client not to retry if %s', async (_what, endpoints) => {
    const { ask } = await refused(endpoints);
    const { headers } = await ask();
    expect(headers.get('x-should-retry')).toBe('false');
    expect(Number(headers.get('retry-after-ms'))).toBeGreaterThanOrEqual(1);
  });
});
