/*
 * The sixteen faults of Failover Bench 0.1, rebuilt from its catalogue: status, headers, timing and what a caller must
 * see. https://github.com/failoverbench/failoverbench/blob/main/scenarios/catalogue.yaml
 * Its full timings run in virtual time, over real sockets.
 */
import {
  type AiBalancerError,
  type BalancerConfig,
  createBalancer,
  type RouteReport,
} from 'express-ai-balancer';
import { pause } from '../helpers/async';
import { runInVirtualTime } from '../helpers/virtual-time';
import {
  error,
  event,
  inSequence,
  json,
  type Responder,
  rejection,
  Upstream,
  type UpstreamRequest,
} from './upstream';

const WORDS = Array.from({ length: 60 }, (_, n) => `word${n}`);
const ANSWER = WORDS.join(' ');
const TOKEN_MS = 15;
const USAGE = { prompt_tokens: 20, completion_tokens: 60, total_tokens: 80 };
const PRIMARY = 'gpt-4o';
const SPARE = 'gpt-4o-mini';
const OVERLOADED = error(503, {
  message: 'The engine is overloaded',
  type: 'server_error',
  code: 'overloaded',
});

/** What happens to a stream at one of its tokens; true where it ends there. */
type Mishap = (arrival: UpstreamRequest) => Promise<boolean>;

/** The whole answer, streamed word by word if the request says so. */
function sound({ at = Infinity, mishap }: { at?: number; mishap?: Mishap } = {}): Responder {
  return (arrival) => {
    if (arrival.body['stream'] !== true) json(arrival, 200, completion(arrival));
    else void stream(arrival, at, mishap);
  };
}

async function stream(arrival: UpstreamRequest, at: number, mishap?: Mishap, hasDone = true): Promise<void> {
  const { res } = arrival;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(chunk(arrival, { role: 'assistant', content: '' }));
  for (const [n, word] of WORDS.entries()) {
    if (n === at && (await mishap?.(arrival))) return;
    res.write(chunk(arrival, { content: n === 0 ? word : ` ${word}` }));
    await pause(TOKEN_MS);
  }
  res.write(chunk(arrival, {}, 'stop'));
  res.write(event({ model: arrival.body['model'], choices: [], usage: USAGE }));
  res.end(hasDone ? 'data: [DONE]\n\n' : '');
}

function chunk({ body }: UpstreamRequest, delta: object, finish: string | null = null): string {
  return event({ model: body['model'], choices: [{ index: 0, delta, finish_reason: finish }] });
}

function completion({ body }: UpstreamRequest) {
  const message = { role: 'assistant', content: ANSWER };
  return {
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: body['model'],
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage: USAGE,
  };
}

/** One fault for a stream, another for a whole answer. */
const either =
  (streamed: Responder, whole: Responder): Responder =>
  (arrival) =>
    (arrival.body['stream'] === true ? streamed : whole)(arrival);

/** Part of a whole answer's body, with its full length announced; the connection closes `closeAfterMs` later. */
const partOfBody =
  (share: number, closeAfterMs: number): Responder =>
  (arrival) => {
    const body = JSON.stringify(completion(arrival));
    arrival.res.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    arrival.res.write(body.slice(0, body.length * share));
    setTimeout(() => arrival.res.socket?.end(), closeAfterMs);
  };

const resetBeforeHeaders: Responder = ({ res }) => res.socket?.resetAndDestroy();
const neverAnswers: Responder = ({ res }) => void setTimeout(() => res.socket?.end(), 120_000);

const slowFirstToken: Responder = (arrival) => {
  if (arrival.body['stream'] === true) {
    arrival.res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  }
  setTimeout(() => sound()(arrival), 20_000);
};

const cut = either(
  sound({
    at: 40,
    mishap: async ({ res }) => {
      res.socket?.end();
      return Promise.resolve(true);
    },
  }),
  partOfBody(0.6, 1),
);

const stalls = either(
  sound({
    at: 20,
    mishap: async ({ res }) => {
      await pause(30_000);
      res.socket?.end();
      return true;
    },
  }),
  partOfBody(0, 30_000),
);

const malformed = either(
  sound({
    at: 10,
    mishap: async ({ res }) => {
      res.write('data: {"id":"x","object":"chat.completion.chunk","choices":[{"delta":{"content":\n\n');
      return Promise.resolve(false);
    },
  }),
  (arrival) => {
    const body = JSON.stringify(completion(arrival));
    arrival.res.writeHead(200, { 'content-type': 'application/json' }).end(`${body.slice(0, 80)}"oops`);
  },
);

const withoutDone: Responder = (arrival) => {
  if (arrival.body['stream'] === true) void stream(arrival, Infinity, undefined, false);
  else json(arrival, 200, completion(arrival));
};

/** It refuses to continue an answer, as some models do. */
const withoutPrefill: Responder = (arrival) => {
  const messages = arrival.body['messages'] as { role: string }[];
  const refusal = error(400, {
    message: 'This model does not support assistant message prefill',
    type: 'invalid_request_error',
    code: 'invalid_prefill',
  });
  (messages.at(-1)?.role === 'assistant' ? refusal : sound())(arrival);
};

interface Answered {
  readonly text: string;
  /** The model that the answer names. */
  readonly model: string | undefined;
  readonly hasUsage: boolean;
  readonly restarts: number;
  readonly route: RouteReport;
  readonly ms: number;
}

async function start(primary: Responder, { spare, each, ...config }: ScenarioConfig = {}) {
  const upstream = await new Upstream({ primary, spare: spare || sound() }).listen();
  const balancer = createBalancer({
    logger: false,
    endpoints: [
      { name: 'primary', model: PRIMARY, baseURL: upstream.url('primary'), apiKey: 'sk-1', ...each },
      { name: 'spare', model: SPARE, baseURL: upstream.url('spare'), apiKey: 'sk-2' },
    ].slice(0, spare === false ? 1 : 2),
    ...config,
  });
  closing.push(async () => {
    await balancer.close({ graceMs: 0 });
    await upstream.close();
  });
  const ask = async (isStreamed: boolean): Promise<Answered> => {
    const from = performance.now();
    const messages = [{ role: 'user' as const, content: 'Sixty words on gateways, please.' }];
    if (!isStreamed) {
      const { data, route } = await balancer.chat({ model: PRIMARY, messages }).withRoute();
      const text = String(data.choices[0]?.message.content);
      const hasUsage = data.usage !== undefined;
      return { text, model: data.model, hasUsage, restarts: 0, route, ms: performance.now() - from };
    }
    const answer = await balancer.chat({
      model: PRIMARY,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let restarts = 0;
    answer.onRestart(() => {
      text = '';
      restarts++;
    });
    let model: string | undefined;
    let hasUsage = false;
    for await (const part of answer) {
      text += part.choices[0]?.delta.content ?? '';
      if (part.choices.length > 0) model = part.model;
      hasUsage ||= part.usage != null;
    }
    return { text, model, hasUsage, restarts, route: answer.route, ms: performance.now() - from };
  };
  return { balancer, upstream, ask };
}

interface ScenarioConfig extends Partial<Omit<BalancerConfig, 'endpoints'>> {
  /** False for none. */
  readonly spare?: Responder | false;
  /** More options of the primary endpoint. */
  readonly each?: Partial<BalancerConfig['endpoints'][number]>;
}

const closing: (() => Promise<void>)[] = [];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
});

afterEach(async () => {
  for (const close of closing.splice(0)) await runInVirtualTime(close);
  jest.useRealTimers();
});

interface Scenario {
  readonly id: string;
  readonly fault: string;
  readonly primary: Responder;
  readonly config?: ScenarioConfig;
  /** Whole answers, streams, or both. */
  readonly forms?: readonly ('whole' | 'streamed')[];
  /** The class of each attempt that failed, in order. */
  readonly blames: readonly string[];
  readonly servedBy: 'primary' | 'spare';
  /** The catalogue's bound of the whole call, in seconds. */
  readonly withinS: number;
  /** The bound of attempts at the primary. */
  readonly primaryAttempts: number;
}

const RESTART: ScenarioConfig = { stream: { recovery: 'restart' } };
const NO_HEDGE: ScenarioConfig = { hedge: false };

const SCENARIOS: Scenario[] = [
  {
    id: 'S01',
    fault: 'one 429 with Retry-After: 2',
    primary: inSequence(error(429, { code: 'rate_limit_exceeded' }, { 'retry-after': '2' }), sound()),
    blames: ['rate_limited'],
    servedBy: 'spare',
    withinS: 20,
    primaryAttempts: 1,
  },
  {
    id: 'S01, no other endpoint',
    fault: 'one 429 with Retry-After: 2',
    primary: inSequence(error(429, { code: 'rate_limit_exceeded' }, { 'retry-after': '2' }), sound()),
    config: { spare: false },
    blames: ['rate_limited'],
    servedBy: 'primary',
    withinS: 20,
    primaryAttempts: 2,
  },
  {
    id: 'S02',
    fault: '429 without Retry-After at every attempt',
    primary: error(429, { code: 'rate_limit_exceeded' }),
    blames: ['rate_limited'],
    servedBy: 'spare',
    withinS: 40,
    primaryAttempts: 1,
  },
  {
    id: 'S03',
    fault: 'one 500',
    primary: inSequence(error(500, { type: 'server_error' }), sound()),
    blames: ['server'],
    servedBy: 'spare',
    withinS: 20,
    primaryAttempts: 1,
  },
  {
    id: 'S03, no other endpoint',
    fault: 'one 500',
    primary: inSequence(error(500, { type: 'server_error' }), sound()),
    config: { spare: false },
    blames: ['server'],
    servedBy: 'primary',
    withinS: 20,
    primaryAttempts: 2,
  },
  {
    id: 'S04',
    fault: '503 at every attempt',
    primary: OVERLOADED,
    blames: ['server'],
    servedBy: 'spare',
    withinS: 40,
    primaryAttempts: 1,
  },
  {
    id: 'S05',
    fault: 'one connection reset before the headers',
    primary: inSequence(resetBeforeHeaders, sound()),
    blames: ['connection'],
    servedBy: 'spare',
    withinS: 20,
    primaryAttempts: 1,
  },
  {
    id: 'S06',
    fault: 'no response for 120 s',
    primary: neverAnswers,
    // The hedge won: its loser is aborted.
    blames: ['aborted'],
    servedBy: 'spare',
    withinS: 15,
    primaryAttempts: 1,
  },
  {
    id: 'S06, no hedge',
    fault: 'no response for 120 s',
    primary: neverAnswers,
    config: NO_HEDGE,
    blames: ['timeout'],
    servedBy: 'spare',
    withinS: 100,
    primaryAttempts: 1,
  },
  {
    id: 'S07',
    fault: 'the first token after 20 s',
    primary: slowFirstToken,
    blames: ['aborted'],
    servedBy: 'spare',
    withinS: 15,
    primaryAttempts: 1,
  },
  {
    id: 'S07, no hedge',
    fault: 'the first token after 20 s',
    primary: slowFirstToken,
    config: NO_HEDGE,
    forms: ['streamed'],
    blames: ['timeout'],
    servedBy: 'spare',
    withinS: 15,
    primaryAttempts: 1,
  },
  {
    id: 'S08',
    fault: 'a body cut at 60 %',
    primary: cut,
    forms: ['whole'],
    blames: ['bad_answer'],
    servedBy: 'spare',
    withinS: 40,
    primaryAttempts: 1,
  },
  {
    id: 'S08',
    fault: 'a stream cut after 40 of 60 tokens',
    primary: cut,
    config: RESTART,
    forms: ['streamed'],
    blames: ['bad_answer'],
    servedBy: 'spare',
    withinS: 40,
    primaryAttempts: 1,
  },
  {
    id: 'S09',
    fault: 'silence for 30 s after the headers, then the end',
    primary: stalls,
    forms: ['whole'],
    blames: ['aborted'],
    servedBy: 'spare',
    withinS: 45,
    primaryAttempts: 1,
  },
  {
    id: 'S09',
    fault: 'silence for 30 s after 20 tokens, then the end',
    primary: stalls,
    config: RESTART,
    forms: ['streamed'],
    blames: ['timeout'],
    servedBy: 'spare',
    withinS: 45,
    primaryAttempts: 1,
  },
  {
    id: 'S10',
    fault: 'a body that is not JSON',
    primary: malformed,
    forms: ['whole'],
    blames: ['bad_answer'],
    servedBy: 'spare',
    withinS: 30,
    primaryAttempts: 1,
  },
  {
    id: 'S10',
    fault: 'one more event before the tenth token that ends where its content would begin',
    primary: malformed,
    forms: ['streamed'],
    blames: [],
    servedBy: 'primary',
    withinS: 30,
    primaryAttempts: 1,
  },
  {
    id: 'S11',
    fault: 'a complete stream without [DONE]',
    primary: withoutDone,
    forms: ['streamed'],
    blames: [],
    servedBy: 'primary',
    withinS: 8,
    primaryAttempts: 1,
  },
  {
    id: 'S12',
    fault: '400 context_length_exceeded, and a larger model beside it',
    primary: error(400, {
      message: 'This model allows 8192 tokens, and the messages have 9631',
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
    }),
    config: { each: { contextWindow: 8_192 } },
    blames: ['context_window'],
    servedBy: 'spare',
    withinS: 20,
    primaryAttempts: 1,
  },
  {
    id: 'S14',
    fault: 'a stream cut after 40 tokens, and a spare that refuses prefill',
    primary: cut,
    config: { ...RESTART, spare: withoutPrefill },
    forms: ['streamed'],
    blames: ['bad_answer'],
    servedBy: 'spare',
    withinS: 40,
    primaryAttempts: 1,
  },
  {
    id: 'S14, recovery: continue',
    fault: 'a stream cut after 40 tokens, and a spare that refuses prefill',
    primary: cut,
    config: { stream: { recovery: 'continue' }, spare: withoutPrefill },
    forms: ['streamed'],
    blames: ['bad_answer'],
    servedBy: 'spare',
    withinS: 40,
    primaryAttempts: 1,
  },
  {
    id: 'S16',
    fault: '503 at every attempt, for the accounting',
    primary: OVERLOADED,
    blames: ['server'],
    servedBy: 'spare',
    withinS: 40,
    primaryAttempts: 1,
  },
];

/*
 * Default settings, but for the two faults in mid-stream, a cut (S08 and S14) and a stall (S09): the caller has part of
 * the answer by then, so that recovery is the app's decision.
 */
describe('With a working spare model, a caller gets the complete answer in time', () => {
  const rows = SCENARIOS.flatMap((scenario) =>
    (scenario.forms ?? ['whole', 'streamed']).map((form) => ({ ...scenario, form })),
  );
  it.each(rows)('$id ($form): $fault', async ({ primary, config, form, ...right }) => {
    await runInVirtualTime(async () => {
      const { balancer, upstream, ask } = await start(primary, config);
      const answer = await ask(form === 'streamed');
      expect(answer.text).toBe(ANSWER);
      expect(answer.hasUsage).toBe(true);
      expect(answer.ms).toBeLessThan(right.withinS * 1_000);
      const failed = answer.route.attempts.filter((attempt) => attempt.class !== undefined);
      expect(failed.map((attempt) => attempt.class)).toEqual(right.blames);
      for (const { endpoint } of failed) expect(endpoint).toBe('primary');
      expect(upstream.count('primary')).toBe(right.primaryAttempts);
      expect(answer.model).toBe(right.servedBy === 'primary' ? PRIMARY : SPARE);
      expect(answer.route).toMatchObject({ endpoint: right.servedBy, model: answer.model, usage: USAGE });
      // Only the answer is paid for, at the price of the model that gave it.
      const [input, output] = right.servedBy === 'primary' ? [2.5, 10] : [0.15, 0.6];
      expect(answer.route.costUsd).toBeCloseTo((20 * input + 60 * output) / 1e6, 12);
      // A healthy call through the same balancer is served.
      upstream.play('primary', sound());
      expect((await ask(false)).text).toBe(ANSWER);
      expect(balancer.stats().endpoints.every(({ inFlight }) => inFlight === 0)).toBe(true);
    });
  });

  it('S01: a second attempt at the same endpoint is not sent before its Retry-After', async () => {
    await runInVirtualTime(async () => {
      const limited = error(429, { code: 'rate_limit_exceeded' }, { 'retry-after': '2' });
      const { upstream, ask } = await start(inSequence(limited, sound()), { spare: false });
      await ask(true);
      const [first, second] = upstream.requests.map(({ at }) => at);
      expect(second! - first!).toBeGreaterThanOrEqual(2_000);
    });
  });

  it.each([
    ['S08', cut],
    ['S09', stalls],
  ])(
    '%s: without recovery a broken stream ends with an error, not as if it were complete',
    async (_, primary) => {
      await runInVirtualTime(async () => {
        const { upstream, ask } = await start(primary);
        const failed = (await rejection(ask(true))) as AiBalancerError;
        expect(failed).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', status: 502 });
        expect(upstream.count('primary')).toBe(1);
      });
    },
  );

  it.each([false, true])(
    'S13 (streamed: %s): a rejection by the content filter is returned with the provider’s reason',
    async (isStreamed) => {
      await runInVirtualTime(async () => {
        const { upstream, ask } = await start(
          error(400, {
            message: 'The safety system has rejected the request',
            type: 'invalid_request_error',
            code: 'content_policy_violation',
          }),
        );
        const refused = (await rejection(ask(isStreamed))) as AiBalancerError;
        expect(refused).toMatchObject({
          code: 'ERR_AI_CONTENT_POLICY',
          status: 400,
          message: 'The safety system has rejected the request',
          attempts: [{ endpoint: 'primary', class: 'content_policy', status: 400 }],
        });
        expect(upstream.requests).toHaveLength(1);
      });
    },
  );

  it.each([false, true])(
    'S15 (streamed: %s): a primary that is down for 60 s is replaced during the outage, and used again within 30 s of its end',
    async (isStreamed) => {
      await runInVirtualTime(async () => {
        const from = performance.now();
        const isDown = () => performance.now() - from < 60_000;
        const { upstream, ask } = await start((arrival) => (isDown() ? OVERLOADED : sound())(arrival));
        const calls: Promise<Answered & { at: number }>[] = [];
        for (let n = 0; n < 20; n++) {
          const at = performance.now() - from;
          calls.push(ask(isStreamed).then((answer) => ({ ...answer, at })));
          await pause(4_000);
        }
        const answers = await Promise.all(calls);
        for (const { text, ms } of answers) {
          expect(text).toBe(ANSWER);
          expect(ms).toBeLessThan(30_000);
        }
        const recovered = answers.find(({ route }) => route.endpoint === 'primary');
        expect(recovered!.at).toBeLessThan(90_000);
        // Its breaker opens after five calls, and then only probes are sent.
        const during = upstream.requests.filter(({ name, at }) => name === 'primary' && at - from < 60_000);
        expect(during.length).toBeLessThanOrEqual(15);
      });
    },
  );
});
