import { type Balancer, createBalancer } from '../../lib/index';
import { answer, BODY, chatText, error, Rig, raw, rejection, statsOf } from '../failover/upstream';

const WRONG_URL = error(404, { message: 'Unknown request URL: POST /chat/completions' });

describe('an endpoint that serves none of its calls', () => {
  const rig = new Rig();

  it.each([
    ['a 404 for an unknown path', WRONG_URL],
    [
      'a bare 404 page',
      raw(404, '<html><title>404 Not Found</title></html>', { 'content-type': 'text/html' }),
    ],
    ['a 404 without a model', error(404, { message: 'No model found: x' })],
    ['a 405', raw(405, 'Method Not Allowed')],
    ['a 410', raw(410, '')],
    ['a 418 of a firewall', raw(418, 'I am a teapot')],
    ['a 451', error(451, { message: 'Unavailable For Legal Reasons' })],
    ['a 501', error(501, { message: 'This server does not support embeddings' })],
    ['a 403 of a firewall', raw(403, '<!DOCTYPE html><title>Attention Required!</title>')],
    ['a 413 of a proxy', raw(413, '<html><title>413 Request Entity Too Large</title></html>')],
    [
      'a 400 for a model that it may not use',
      error(400, { message: 'Model x is not available for your organization' }),
    ],
  ])('does not fail the call, which another endpoint serves instead: %s', async (_what, wrong) => {
    const { balancer, upstream } = await rig.start({ wrong, sound: answer() });
    for (const stream of [false, true]) expect((await chatText(balancer, stream)).text).toBe('Hello');
    expect(upstream.count('sound')).toBe(2);
    expect(statsOf(balancer, 'wrong').state).not.toBe('open');
  });

  const ask = (balancer: Balancer, text: string) =>
    balancer.chat({ ...BODY, messages: [{ role: 'user', content: text }] });

  it('cools down for a minute after ten different consecutive calls, with a warning that names the likely cause', async () => {
    const warnings: string[] = [];
    const logger = {
      debug: () => undefined,
      info: () => undefined,
      error: () => undefined,
      warn: (_fields: object, message: string) => warnings.push(message),
    };
    const { balancer, upstream } = await rig.start({ wrong: WRONG_URL, sound: answer() }, { logger });
    for (let i = 0; i < 9; i++) await ask(balancer, `question ${i}`);
    expect(warnings).toEqual([expect.stringContaining('has not served any call yet')]);
    for (let i = 9; i < 13; i++) await ask(balancer, `question ${i}`);
    expect(upstream.count('wrong')).toBe(10);
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toContain('is /v1 missing?');
    const untilMs = (statsOf(balancer, 'wrong').cooldownUntil ?? 0) - Date.now();
    expect(untilMs).toBeGreaterThan(50_000);
    expect(untilMs).toBeLessThanOrEqual(60_000);
  });

  it('does not cool down because of one request that is sent repeatedly, alone or among eight others', async () => {
    const { balancer, upstream } = await rig.start({ wrong: WRONG_URL, sound: answer() });
    for (let i = 0; i < 15; i++) await ask(balancer, 'the same question');
    for (let i = 0; i < 8; i++) await ask(balancer, `question ${i}`);
    for (let i = 0; i < 15; i++) await ask(balancer, 'the same question');
    expect(upstream.count('wrong')).toBe(38);
    expect(statsOf(balancer, 'wrong').state).toBe('closed');
  });

  it('does not cool down while it serves other calls', async () => {
    let calls = 0;
    const { balancer, upstream } = await rig.start({
      mixed: (arrival) => (++calls % 5 === 0 ? answer() : WRONG_URL)(arrival),
      sound: answer(),
    });
    for (let i = 0; i < 30; i++) await ask(balancer, `question ${i}`);
    expect(upstream.count('mixed')).toBe(30);
  });

  it('fails the call if there is no other endpoint, without opening its breaker', async () => {
    const { balancer } = await rig.start({ wrong: WRONG_URL });
    for (let i = 0; i < 6; i++)
      expect(await rejection(balancer.chat(BODY))).toMatchObject({ attempts: [{ class: 'not_served' }] });
    expect(statsOf(balancer, 'wrong').state).toBe('closed');
  });

  it.each(['/v1/chat/completions', '/v1/chat/completions/', '/v1/embeddings'])(
    'causes a configuration error if its baseURL ends in %s',
    (path) => {
      const endpoints = [{ name: 'one', model: 'm', baseURL: `https://api.example.com${path}`, apiKey: 'k' }];
      expect(() => createBalancer({ endpoints })).toThrow(/endpoints\[0\]\.baseURL.*base URL alone/s);
    },
  );
});
