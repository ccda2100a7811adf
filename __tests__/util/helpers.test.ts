import { AiBalancerError } from '../../lib/errors';
import { saturatedError } from '../../lib/queue/errors';
import { toError } from '../../lib/util/app-function';
import { BoundedMap } from '../../lib/util/bounded-map';
import { didYouMean, knownOption } from '../../lib/util/did-you-mean';
import { numberPairs, redisErrorReason } from '../../lib/util/redis';
import { MAX_TIMER_MS, settlesWithin, startTimer, within } from '../../lib/util/timers';

describe('didYouMean', () => {
  const KNOWN = ['baseURL', 'apiKey', 'timeouts', 'tpm', 'retry'];

  it.each([
    ['base_url', 'baseURL'],
    ['apikey', 'apiKey'],
    ['apiKye', 'apiKey'],
    ['timeout', 'timeouts'],
    ['tmp', 'tpm'],
    ['retries', 'retry'],
    ['headers', undefined],
    ['', undefined],
    ['apiKey'.padEnd(65, 'y'), undefined],
  ])('for %j suggests %p', (name, suggestion) => {
    expect(didYouMean(name, KNOWN)).toBe(suggestion);
  });

  it('describes what was expected', () => {
    expect(knownOption('apikey', KNOWN)).toBe("a known option (did you mean 'apiKey'?)");
    expect(knownOption('nothing', KNOWN)).toBe('one of baseURL, apiKey, timeouts, tpm, retry');
  });
});

describe('BoundedMap', () => {
  it('forgets the entry that was set or touched longest ago', () => {
    const map = new BoundedMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    expect(map.touch('a')).toBe(1);
    map.set('c', 3);
    expect([...map.entries()]).toEqual([
      ['a', 1],
      ['c', 3],
    ]);
    expect(map.touch('b')).toBeUndefined();
    expect(map.size).toBe(2);
  });
});

describe('Timers', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] }));
  afterEach(() => void jest.useRealTimers());

  it.each([
    [Number.NaN, MAX_TIMER_MS],
    [Infinity, MAX_TIMER_MS],
    [-5, 0],
    [20, 20],
  ])('with the delay %p fire after %p ms', (ms, expected) => {
    const set = jest.spyOn(globalThis, 'setTimeout');
    startTimer(() => undefined, ms);
    expect(set).toHaveBeenCalledWith(expect.any(Function), expected);
  });

  it('limit how long a promise may take, or not at all for Infinity', async () => {
    const never = new Promise<string>(() => undefined);
    const late = within(never, 100);
    await jest.advanceTimersByTimeAsync(101);
    expect(await late).toBeUndefined();
    expect(await within(Promise.resolve('in time'), Infinity)).toBe('in time');
    await expect(within(Promise.reject(new Error('failed')), 100)).rejects.toThrow('failed');
    expect(jest.getTimerCount()).toBe(0);
  });

  it.each<[string, number, number, boolean]>([
    ['settles in time', 50, 0, true],
    ['settles never', Infinity, 0, false],
    ['settles soon after the event loop was blocked', 120, 100, true],
    ['never settles, though the event loop was blocked', Infinity, 100, false],
  ])('show whether a promise that %s has settled', async (_what, settlesAt, blockedMs, expected) => {
    let settle = (): void => undefined;
    const promise = new Promise<void>((resolve) => (settle = resolve));
    const result = settlesWithin(promise, 100, 50);
    const { now } = performance;
    // The timer fires late by this much.
    jest.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + blockedMs);
    for (let ms = 0; ms < 400; ms += 10) {
      if (ms >= settlesAt) settle();
      await jest.advanceTimersByTimeAsync(10);
    }
    expect(await result).toBe(expected);
    jest.restoreAllMocks();
  });
});

it.each<[unknown, string]>([
  [undefined, 'unknown'],
  [new Error('WRONGTYPE Operation against a key'), 'WRONGTYPE'],
  [new TypeError('something with redis://user:secret@host'), 'TypeError'],
  [{ code: 'ECONNREFUSED' }, 'ECONNREFUSED'],
  [{ code: 'ECONNREFUSED', address: '10.0.0.1', port: 6379 }, 'ECONNREFUSED 10.0.0.1:6379'],
  [{ code: 'ENOTFOUND', hostname: 'redis.test' }, 'ENOTFOUND redis.test'],
  [new AiBalancerError('ERR_AI_CONFIG', 'install ioredis', { status: 500 }), 'install ioredis'],
])('the reason of the Redis error %p is %j', (error, reason) => {
  expect(redisErrorReason(error)).toBe(reason);
});

it('a hash of numbers from Redis has its fields and values in pairs', () => {
  expect(numberPairs(['1', '10', '2', '20'])).toEqual([
    [1, 10],
    [2, 20],
  ]);
});

describe('What a function of the app throws', () => {
  it.each<[unknown, object]>([
    [undefined, { message: 'strategy failed with undefined instead of an Error' }],
    [null, { message: 'strategy failed with null instead of an Error' }],
    ['route', { message: 'strategy failed with a string instead of an Error' }],
    [{}, { message: 'strategy failed with an object instead of an Error' }],
    [
      { status: 418, expose: true, message: 'teapot' },
      { status: 418, expose: true, message: 'teapot' },
    ],
    [{ status: '418' }, { message: 'strategy failed with an object instead of an Error' }],
  ])('as %j becomes an Error', (reason, expected) => {
    const error = toError(reason, 'strategy');
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'NotAnError', ...expected });
    expect(error).toHaveProperty('cause', reason);
    expect('status' in error).toBe('status' in expected);
  });

  it('stays itself if it is an Error', () => {
    const error = new Error('broken');
    expect(toError(error, 'strategy')).toBe(error);
  });
});

it.each([
  [Infinity, 'the queue is full', undefined],
  [1_200.5, 'the queue is full; retry after 1201 ms', 1_201],
  [0, 'the queue is full; retry after 1 ms', 1],
])('the error of a shed call that would wait %p ms is: %s', (waitMs, message, retryAfterMs) => {
  const error = saturatedError('the queue is full', waitMs);
  expect(error).toMatchObject({ message, status: 503, retryable: true });
  expect(error.retryAfterMs).toBe(retryAfterMs);
});
