import { inspect } from 'node:util';
import { AiBalancerError } from 'express-ai-balancer';
import {
  answer,
  BODY,
  chatText,
  error,
  KEY,
  PROMPT,
  Rig,
  raw,
  rejection,
  reset,
  silence,
  startStream,
} from './upstream';

const rig = new Rig();

/** Everything that a log, a report or a page could show of a value. */
function shown(value: unknown): string {
  const { message, stack } = value instanceof Error ? value : { message: '', stack: '' };
  return [JSON.stringify(value), inspect(value, { depth: 20, showHidden: true }), message, stack].join('\n');
}

function expectNothingOf(value: unknown): void {
  const text = shown(value);
  expect(text).not.toContain(KEY);
  expect(text).not.toContain(PROMPT);
  expect(text).not.toContain('very-secret');
}

const QUOTES = { message: `Incorrect API key provided: ${KEY}.`, code: 'invalid_api_key' };

it.each([
  ['a reset connection', reset],
  ['a timeout', silence],
  ['a 500', error(500)],
  ['a 400', error(400)],
  ['an answer that quotes the key', error(401, QUOTES)],
  ['a 400 that quotes the key', error(400, { message: `Bearer ${KEY} is not allowed to do that` })],
  ['a page that quotes the key', raw(200, `<html>${KEY}</html>`)],
  ['a 429', error(429, {}, { 'retry-after': '60' })],
] as const)('No key or prompt is in the error after %s', async (_what, play) => {
  for (const stream of [false, true]) {
    const { balancer } = await rig.start({ a: play }, { timeouts: { totalMs: 60, firstTokenMs: 60 } });
    const events: unknown[] = [];
    for (const name of ['call', 'attempt', 'breaker', 'cooldown'] as const)
      balancer.on(name, (event: unknown) => events.push(event));
    const failed = await rejection(chatText(balancer, stream, { timeoutMs: 500 }));
    expect(AiBalancerError.isInstance(failed)).toBe(true);
    expectNothingOf(failed);
    expectNothingOf((failed as AiBalancerError).route);
    expectNothingOf((failed as AiBalancerError).toBody());
    expectNothingOf(balancer.stats());
    expect(events.length).toBeGreaterThan(0);
    for (const event of events) expectNothingOf(event);
  }
});

it('No key or prompt is in the error after a refused connection, where axios quotes the whole request', async () => {
  const more = [{ name: 'gone', model: 'm', baseURL: 'http://127.0.0.1:1', apiKey: KEY }];
  const { balancer } = await rig.start({}, { more });
  expectNothingOf(await rejection(balancer.chat(BODY)));
});

it('No key or prompt is in the report of a served call, its events or the inspected balancer', async () => {
  const { balancer } = await rig.start({ a: error(500), b: answer() });
  const events: unknown[] = [];
  for (const name of ['call', 'attempt'] as const) balancer.on(name, (event: unknown) => events.push(event));
  const { route } = await chatText(balancer, false);
  expectNothingOf(route);
  expectNothingOf(events);
  expectNothingOf(balancer.stats());
  expect(inspect(balancer, { depth: 20 })).not.toContain(KEY);
  expect(JSON.stringify(balancer)).not.toContain(KEY);
});

it('No key or prompt is in the error when apiKey() throws', async () => {
  const apiKey = () => Promise.reject(new Error(`cannot read ${KEY}`));
  const { balancer } = await rig.start({ a: answer() }, { each: { a: { apiKey } } });
  expectNothingOf(await rejection(balancer.chat(BODY)));
});

it('The partial text of a broken stream is on the error, but not enumerable, so that logs do not show it', async () => {
  const { balancer } = await rig.start({
    a: (arrival) => {
      startStream(arrival, 'the user’s own words');
      setTimeout(() => arrival.res.socket?.destroy(), 5);
    },
  });
  const failed = (await rejection(chatText(balancer, true))) as AiBalancerError;
  expect(failed.partialText).toBe('the user’s own words');
  expect(JSON.stringify(failed)).not.toContain('own words');
  expect(inspect(failed)).not.toContain('own words');
});
