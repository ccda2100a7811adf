import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AiBalancerError,
  Balancer,
  type BalancerConfig,
  type CallOptions,
  type RouteReport,
} from 'express-ai-balancer';
import fc from 'fast-check';
import { expectNothingOpen, expectPlausible } from './figures';
import { INPUTS, LIE, type Lie } from './lies';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const SOUND_TEXT = 'A sound answer.';
const VECTORS = Array.from({ length: INPUTS }, () => [0.1, -0.2]);
const MAX_TOKENS = 500;
const CONTEXT_WINDOW = 8_000;
/** Upper bound for a retryAfterMs: a used-up daily quota is probed at most every 10 minutes. */
const MAX_RETRY_AFTER_MS = 25 * 3_600_000;
/** Failure classes that the answer to the call itself assigns to the caller. They may end the call. */
const CALLERS_FAULTS = new Set(['bad_request', 'content_policy', 'context_window']);

let server: Server;
/** The lie that a request is answered with. */
let draw: (() => Lie) | undefined;
let lies = 0;
const rejections: unknown[] = [];
const onRejection = (reason: unknown): void => void rejections.push(reason);

beforeAll(async () => {
  process.on('unhandledRejection', onRejection);
  server = createServer({ keepAliveTimeout: 75_000 }, (req, res) => respond(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  process.off('unhandledRejection', onRejection);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function respond(req: IncomingMessage, res: ServerResponse): void {
  let text = '';
  req.setEncoding('utf8').on('data', (data: string) => (text += data));
  req.on('end', () => {
    if (req.url?.startsWith('/sound')) sound(res, JSON.parse(text) as { stream?: boolean; input?: unknown });
    else if (draw) lie(res, draw());
    else res.writeHead(500).end();
  });
}

function sound(res: ServerResponse, { stream, input }: { stream?: boolean; input?: unknown }): void {
  if (input !== undefined) {
    const data = VECTORS.map((embedding, index) => ({ object: 'embedding', index, embedding }));
    const list = { object: 'list', model: 'm', data, usage: { prompt_tokens: 5, total_tokens: 5 } };
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(list));
    return;
  }
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  const head = { id: 'y', created: 1, model: 'm' };
  if (stream !== true) {
    const message = { role: 'assistant', content: SOUND_TEXT };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    const body = JSON.stringify({ ...head, object: 'chat.completion', choices, usage });
    res.writeHead(200, { 'content-type': 'application/json' }).end(body);
    return;
  }
  const event = (choices: unknown[], more: object = {}): string =>
    `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...more })}\n\n`;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(event([{ index: 0, delta: { role: 'assistant', content: SOUND_TEXT }, finish_reason: null }]));
  res.end(
    `${event([{ index: 0, delta: {}, finish_reason: 'stop' }])}${event([], { usage })}data: [DONE]\n\n`,
  );
}

function lie(res: ServerResponse, { status, headers, body, cut }: Lie): void {
  lies += 1;
  res.writeHead(status, headers);
  if (!cut) {
    res.end(body);
    return;
  }
  res.write(body, () => setImmediate(() => res.destroy()));
  if (body === '') res.flushHeaders();
}

function configOf(...names: readonly string[]): BalancerConfig {
  const { port } = server.address() as AddressInfo;
  const endpoint = (name: string) => ({
    name,
    model: 'm',
    baseURL: `http://127.0.0.1:${port}/${name}`,
    apiKey: `sk-${name}-0123456789`,
    rpm: 600_000,
    tpm: 600_000_000,
    price: { input: 1, output: 10, cachedInput: 0.1 },
    contextWindow: CONTEXT_WINDOW,
  });
  return {
    endpoints: names.map(endpoint),
    fallbacks: {},
    hedge: false,
    logger: SILENT,
    retry: { baseDelayMs: 1, maxDelayMs: 5 },
    timeouts: { totalMs: 20_000 },
  };
}

function createFleet(): Balancer {
  return new Balancer(configOf('liar', 'sound'));
}

type Outcome =
  | { readonly ok: true; readonly text: string; readonly route: RouteReport }
  | { readonly ok: false; readonly error: AiBalancerError };

type Kind = 'whole' | 'stream' | 'embeddings';
const KINDS: readonly Kind[] = ['whole', 'stream', 'whole', 'stream', 'embeddings'];
const KIND = fc.constantFrom(...KINDS);

async function ask(balancer: Balancer, kind: Kind, options: CallOptions): Promise<Outcome> {
  const body = {
    model: 'm',
    messages: [{ role: 'user' as const, content: 'Where is my parcel?' }],
    max_tokens: MAX_TOKENS,
  };
  try {
    if (kind === 'embeddings') {
      const input = Array.from({ length: INPUTS }, (_, index) => `text ${index}`);
      const { data, route } = await balancer.embeddings({ model: 'm', input }, options).withRoute();
      expect(data.data).toHaveLength(INPUTS);
      for (const { embedding } of data.data) expect(isVector(embedding)).toBe(true);
      return { ok: true, text: '', route };
    }
    if (kind === 'whole') {
      const { data, route } = await balancer.chat({ ...body, stream: false }, options).withRoute();
      expect(data.choices[0]).toMatchObject({
        finish_reason: expect.stringMatching(/^(stop|length)$/) as string,
      });
      return { ok: true, text: data.choices[0]!.message.content ?? '', route };
    }
    const { data } = await balancer.chat({ ...body, stream: true }, options).withRoute();
    let text = '';
    for await (const part of data) text += part.choices[0]?.delta.content ?? '';
    return { ok: true, text, route: data.route };
  } catch (error) {
    if (!AiBalancerError.isInstance(error)) throw error;
    return { ok: false, error };
  }
}

/** A list of numbers, or base64. */
function isVector(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  return Array.isArray(value) && value.length > 0 && value.every((entry) => Number.isFinite(entry));
}

/** Every number in a report is finite, not negative, and no larger than the call could have caused. */
function checkReport(route: RouteReport): void {
  const { usage, costUsd, wastedTokens } = route;
  expectPlausible({ ...route, why: undefined }, 'route');
  expect(costUsd ?? 0).toBeLessThanOrEqual((CONTEXT_WINDOW * 10) / 1e6);
  expect(wastedTokens).toBeLessThanOrEqual(route.attempts.length * CONTEXT_WINDOW);
  if (!usage) return;
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage;
  expect(total).toBe(prompt + completion);
  expect(prompt).toBeLessThanOrEqual(CONTEXT_WINDOW);
  expect(completion).toBeLessThanOrEqual(MAX_TOKENS);
  expect(usage.prompt_tokens_details?.cached_tokens ?? 0).toBeLessThanOrEqual(prompt);
}

function checkOutcome(outcome: Outcome, kind: Kind, sent: Lie | undefined): void {
  if (outcome.ok) {
    const chatText = outcome.route.endpoint === 'sound' ? SOUND_TEXT : sent?.text;
    const expected = kind === 'embeddings' ? '' : chatText;
    expect({ ...outcome.route, text: outcome.text }).toMatchObject({ text: expected });
    checkReport(outcome.route);
    return;
  }
  const { retryAfterMs, attempts = [], message } = outcome.error;
  expectPlausible({ retryAfterMs, attempts }, 'error');
  expect(retryAfterMs ?? 0).toBeLessThanOrEqual(MAX_RETRY_AFTER_MS);
  expect(message).not.toMatch(/sk-\w+-0123456789|NaN|parcel/);
}

function checkStats(balancer: Balancer): void {
  const stats = balancer.stats();
  expectPlausible(stats, 'stats');
  for (const { tokensLeft, cooldownUntil } of stats.endpoints) {
    // A debt is at most what the calls could have used.
    expect(tokensLeft ?? 0).toBeGreaterThanOrEqual(-CONTEXT_WINDOW);
    expect(cooldownUntil ?? 0).toBeLessThanOrEqual(Date.now() + MAX_RETRY_AFTER_MS);
  }
}

/**
 * A call of another tenant may fail only for what the answer to the call itself says of the caller: its last attempt was
 * at the liar, and was answered so. What the liar has reported to others must not refuse it.
 */
function checkBystander(outcome: Outcome): void {
  if (outcome.ok) return;
  const { code, message, attempts = [], route } = outcome.error;
  const last = attempts.at(-1);
  if (last?.endpoint === 'liar' && CALLERS_FAULTS.has(last.class ?? '')) return;
  throw new Error(`a bystander failed: ${JSON.stringify({ code, message, attempts, why: route?.why })}`);
}

const CALLS = fc.array(fc.record({ lie: LIE, kind: KIND }), { minLength: 1, maxLength: 12 });

/** One call pinned to the liar, and one of another tenant that may go anywhere. */
async function lieOnce(balancer: Balancer, answer: Lie, kind: Kind): Promise<void> {
  draw = () => answer;
  balancer.endpoint('liar').enable();
  checkOutcome(await ask(balancer, kind, { endpoint: 'liar', tenant: 'a', timeoutMs: 300 }), kind, answer);
  const bystander = await ask(balancer, kind, { tenant: 'b' });
  checkOutcome(bystander, kind, answer);
  checkBystander(bystander);
  checkStats(balancer);
}

test('fuzz: whatever one upstream answers, no broken answer succeeds, all figures are bounded, and no slot leaks', async () => {
  await fc.assert(
    fc.asyncProperty(CALLS, async (calls) => {
      const balancer = createFleet();
      try {
        for (const { lie: answer, kind } of calls) await lieOnce(balancer, answer, kind);
        await expectNothingOpen();
        expect(rejections).toEqual([]);
      } finally {
        await balancer.close({ graceMs: 0 });
      }
    }),
    { numRuns: 150, interruptAfterTimeLimit: 4_000, markInterruptAsFailure: false, endOnFailure: true },
  );
});

test('fuzz: after 1,000 random false answers of one upstream, a working endpoint of the same model serves every call of other tenants', async () => {
  const seed = Date.now();
  const drawn = fc.sample(LIE, { numRuns: 1_500, seed });
  const balancer = createFleet();
  lies = 0;
  draw = () => drawn[lies % drawn.length]!;
  let liar = 'liar';
  const collectLies = async (): Promise<void> => {
    let timeoutMs = 25;
    for (let call = 0; lies < 1_000; call += 1) {
      const before = lies;
      balancer.endpoint(liar).enable();
      await ask(balancer, KINDS[call % KINDS.length]!, { endpoint: liar, tenant: 'a', timeoutMs });
      // On a busy machine a call may take longer to arrive.
      timeoutMs = lies > before ? Math.max(25, timeoutMs / 2) : Math.min(3_000, 2 * timeoutMs);
      if (lies > before) continue;
      // Headers claim that no quota is left: the upstream goes on under another name and key.
      liar = `liar-${lies}`;
      await balancer.reload(configOf(liar, 'sound'));
    }
  };
  try {
    await Promise.all(Array.from({ length: 4 }, collectLies));
    expect(lies).toBeGreaterThanOrEqual(1_000);
    checkStats(balancer);
    draw = undefined;
    for (let call = 0; call < 100; call += 1) {
      const kind = KINDS[call % KINDS.length]!;
      const outcome = await ask(balancer, kind, { tenant: `tenant ${call % 7}` });
      const text = kind === 'embeddings' ? '' : SOUND_TEXT;
      expect({ seed, ...outcome }).toMatchObject({ ok: true, text, route: { endpoint: 'sound' } });
    }
    await expectNothingOpen();
  } finally {
    await balancer.close({ graceMs: 0 });
  }
});
