import { EventEmitter } from 'node:events';
import { callLine } from '../../lib/balancer/call-event';
import { EventReporter } from '../../lib/balancer/event-reporter';
import type { BalancerEvents, CallEvent } from '../../lib/balancer/events';
import { combinedRoute, rejectedError, withFailedAttempts } from '../../lib/balancer/rejected-answer';
import { TracedAnswer } from '../../lib/balancer/traced-answer';
import { neverServedWarning, redisWarning } from '../../lib/balancer/warnings';
import { describeFailure } from '../../lib/endpoint/unavailable-reason';
import { AiBalancerError } from '../../lib/errors';
import type { AttemptReport, RouteReport } from '../../lib/route-report';
import { Redactor } from '../../lib/util/redactor';

const ATTEMPT: AttemptReport = { endpoint: 'a', model: 'm', ms: 5 };
const ROUTE: RouteReport = {
  requestId: 'r',
  endpoint: 'a',
  provider: 'openai',
  model: 'm',
  attempts: [ATTEMPT],
  waitMs: 10,
  totalMs: 20,
  wastedTokens: 1,
  why: [],
};
const USAGE = { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 };

describe('The route report of a call whose first answer was rejected', () => {
  const next: RouteReport = {
    ...ROUTE,
    endpoint: 'b',
    attempts: [{ ...ATTEMPT, endpoint: 'b' }],
    wastedTokens: 7,
  };

  it.each<[string, Partial<RouteReport>, Partial<RouteReport>, Partial<RouteReport>]>([
    [
      'its tokens and cost as wasted',
      { usage: USAGE, costUsd: 0.5 },
      {},
      { wastedTokens: 13, wastedUsd: 0.5 },
    ],
    [
      'what both tries wasted',
      { usage: USAGE, costUsd: 0.5, wastedUsd: 1 },
      { wastedUsd: 2 },
      { wastedTokens: 13, wastedUsd: 3.5 },
    ],
    ['no waste in US dollars if there are no prices', {}, {}, { wastedTokens: 8 }],
  ])('has both attempts, and %s', (_what, rejected, more, expected) => {
    const route = combinedRoute({ ...ROUTE, ...rejected }, { ...next, ...more });
    expect(route).toEqual({
      ...next,
      attempts: [...ROUTE.attempts, ...next.attempts],
      waitMs: 20,
      ...expected,
    });
  });

  it('is its own if it was not asked again', () => {
    expect(combinedRoute(ROUTE, undefined)).toBe(ROUTE);
  });
});

describe('The route report of a stale answer', () => {
  it.each<[string, RouteReport | undefined, Partial<RouteReport>]>([
    ['is unchanged without a failed call', undefined, {}],
    ['has the attempts of the failed call', { ...ROUTE, waitMs: 7 }, { waitMs: 7, wastedTokens: 1 }],
    [
      'has the waste of the failed call',
      { ...ROUTE, wastedUsd: 2 },
      { waitMs: 10, wastedTokens: 1, wastedUsd: 2 },
    ],
  ])('%s', (_what, failed, expected) => {
    const route = { ...ROUTE, attempts: [], waitMs: 0, wastedTokens: 0 };
    expect(withFailedAttempts(route, failed)).toEqual({
      ...route,
      attempts: failed?.attempts ?? [],
      ...expected,
    });
  });
});

it.each<[string, unknown, object]>([
  ['too often', undefined, { retryable: false }],
  [
    'and asking again failed: all are down',
    new AiBalancerError('ERR_AI_UNAVAILABLE', 'all are down', {
      status: 503,
      retryable: true,
      retryAfterMs: 2_000,
    }),
    { retryable: true, retryAfterMs: 2_000 },
  ],
  ['and asking again failed: a function of the app threw', new Error('secret'), { retryable: false }],
])('The error of a rejected answer says %s', (why, cause, fields) => {
  const error = rejectedError('hooks[0]', ROUTE, cause);
  expect(error).toMatchObject({
    message: `the answer was rejected by hooks[0], ${why}`,
    status: 502,
    ...fields,
  });
  expect(error.retryAfterMs).toBe((fields as { retryAfterMs?: number }).retryAfterMs);
});

describe('What traces record of an answer', () => {
  it.each<[string, unknown, { id?: string; finishReasons: string[] }]>([
    ['is nothing if it is not an object', 'text', { finishReasons: [] }],
    ['is nothing if it has neither id nor choices', { id: '', choices: 7 }, { finishReasons: [] }],
    [
      'is its id and the finish reasons of its choices',
      {
        id: 'x',
        choices: [{ finish_reason: 'stop' }, null, { finish_reason: null }, { finish_reason: 'length' }],
      },
      { id: 'x', finishReasons: ['stop', 'length'] },
    ],
    [
      'has at most 100 finish reasons of at most 200 characters',
      {
        id: 'y'.repeat(300),
        choices: Array.from({ length: 150 }, () => ({ finish_reason: 'z'.repeat(300) })),
      },
      { id: 'y'.repeat(200), finishReasons: Array<string>(100).fill('z'.repeat(200)) },
    ],
  ])('%s', (_what, answer, { id, finishReasons }) => {
    const traced = new TracedAnswer().add(answer);
    expect([traced.id, traced.finishReasons]).toEqual([id, finishReasons]);
  });

  it('starts again when another endpoint starts the answer again', () => {
    const traced = new TracedAnswer().add({ id: 'x', choices: [{ finish_reason: 'stop' }] });
    traced.restart();
    traced.add({ id: 'y', choices: [] });
    expect([traced.id, traced.finishReasons]).toEqual(['y', []]);
  });
});

describe('The log line of a call', () => {
  const event = {
    requestId: 'r',
    operation: 'chat',
    endpoint: 'a',
    model: 'm',
    ms: 5,
    failed: true,
  } as CallEvent;

  it.each<[string, Partial<CallEvent>, unknown]>([
    ["chat r was answered by endpoint 'a' (m) in 5 ms", { failed: false }, undefined],
    [
      'chat r failed after 5 ms: ERR_AI_UNAVAILABLE: it took too long',
      { code: 'ERR_AI_UNAVAILABLE' },
      new AiBalancerError('ERR_AI_UNAVAILABLE', 'it took too long', { status: 504 }),
    ],
    ['chat r failed after 5 ms: error: a function of the app threw', {}, new Error('secret')],
  ])('is: %s', (line, fields, error) => {
    expect(callLine({ ...event, ...fields }, error)).toBe(line);
  });
});

describe('EventReporter', () => {
  function start() {
    const lines: string[] = [];
    const log = (level: string) => (_fields: object, message: string) =>
      void lines.push(`${level}: ${message}`);
    const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
    const emitter = new EventEmitter<BalancerEvents>();
    const config = () => ({ logger, http: {} }) as never;
    return { lines, emitter, reporter: new EventReporter(emitter, config, new Redactor()) };
  }

  it.each<[unknown, string]>([
    [new Error('connection lost'), 'connection lost'],
    ['connection lost', 'unknown'],
  ])('logs that the cache has failed with %p', (error, why) => {
    const { reporter, lines } = start();
    reporter.cacheFailed(error);
    expect(lines).toEqual([`warn: the response cache failed, and calls go to endpoints: ${why}`]);
  });

  it('reports when the store of a guard fails and when it is available again', () => {
    const { reporter, lines, emitter } = start();
    const events: object[] = [];
    emitter.on('store', (event) => events.push(event));
    reporter.storeStateChanged('api', true, 'odd');
    reporter.storeStateChanged('api', false, undefined);
    reporter.storeStateChanged('other', true, new Error('ECONNREFUSED'));
    const store = (name: string) => `the Redis store of the rate limit guard '${name}' is`;
    expect(lines).toEqual([
      `warn: ${store('api')} unavailable: each process counts on its own: unknown`,
      `info: ${store('api')} available again`,
      `warn: ${store('other')} unavailable: each process counts on its own: ECONNREFUSED`,
    ]);
    expect(events).toEqual([
      { guard: 'api', isDown: true },
      { guard: 'api', isDown: false },
      { guard: 'other', isDown: true },
    ]);
  });

  it('reports corrected quotas with the levels that have a limit', () => {
    const { reporter, emitter } = start();
    expect(reporter.quotaListener('a')).toBeUndefined();
    const events: object[] = [];
    emitter.on('quota', (event) => events.push(event));
    reporter.quotaListener('a')?.({ requests: 5, tokens: undefined }, { requests: undefined, tokens: 7 });
    expect(events).toEqual([{ endpoint: 'a', before: { requests: 5 }, after: { tokens: 7 } }]);
  });

  it.each<[unknown, string[]]>([
    [new AiBalancerError('ERR_AI_ABORTED', 'left', { status: 499 }), []],
    [
      new AiBalancerError('ERR_AI_UNAVAILABLE', 'too slow', { status: 504 }),
      ['warn: an answer that was piped to a response failed: ERR_AI_UNAVAILABLE: too slow'],
    ],
    [
      new Error('secret'),
      ['warn: an answer that was piped to a response failed: unknown: a function of the app threw'],
    ],
  ])('logs a piped answer that failed, unless the client has left (%#)', (error, expected) => {
    const { reporter, lines } = start();
    reporter.pipeFailed(error);
    expect(lines).toEqual(expected);
  });
});

describe('The warning of an endpoint that has never served a call', () => {
  const endpointAt = (baseURL: string) =>
    ({
      name: 'a',
      unavailable: { hasServed: false },
      settings: { baseURL, timeouts: { connectMs: 100 } },
    }) as never;

  it.each<[string, Partial<AttemptReport>, RegExp]>([
    [
      'https://api.test/',
      { class: 'not_served', status: 404 },
      /has not served .*it has no path: is \/v1 missing\?/,
    ],
    ['https://api.test/v1', { class: 'not_served', status: 404 }, /is its path right\?/],
    [
      'https://api.test/v1',
      { class: 'bad_answer' },
      /has never answered: bad_answer; that is no answer of an API/,
    ],
    ['http://api.test/v1', { class: 'connection' }, /is it https:\/\/ rather than http:/],
    ['https://api.test/v1', { class: 'timeout', ms: 100 }, /a slow model needs longer timeouts/],
    ['https://api.test/v1', { class: 'not_served', status: 302 }, /it redirects/],
    ['not a URL', { class: 'connection' }, /^endpoint 'a' at its baseURL has never answered/],
  ])('at %s after %j says what to check', (baseURL, failure, expected) => {
    expect(neverServedWarning(endpointAt(baseURL), { ...ATTEMPT, ...failure }, false)).toMatch(expected);
  });

  it('is absent after a timeout that was shorter than the connect timeout', () => {
    const failure: AttemptReport = { ...ATTEMPT, class: 'timeout', ms: 50 };
    expect(neverServedWarning(endpointAt('https://api.test'), failure, false)).toBeUndefined();
  });
});

it('The warning about Redis has its reason, or says that it is unknown', () => {
  expect(redisWarning('local-share')).toBe(
    'Redis is unavailable: quotas are enforced as onOutage says (local-share): unknown reason; check that it runs and that cluster.redis names it',
  );
  expect(redisWarning('open', 'npm install ioredis')).toBe(
    'Redis is unavailable: quotas are enforced as onOutage says (open): npm install ioredis',
  );
});

it.each([
  [{}, 'unknown'],
  [{ class: 'server' as const, status: 500 }, 'server (500)'],
  [
    { class: 'server' as const, status: 500, code: 'overloaded', message: 'busy' },
    'server (500 overloaded: busy)',
  ],
  [{ class: 'connection' as const, message: 'reset' }, 'connection (reset)'],
])('The failure %j is described as: %s', (failure, text) => {
  expect(describeFailure(failure)).toBe(text);
});
