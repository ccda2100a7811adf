import { GroupLimit } from '../../lib/cli/simulate/engine/group-limit';
import { type AttemptEvents, VirtualProvider } from '../../lib/cli/simulate/engine/virtual-provider';
import type { WorkCall } from '../../lib/cli/simulate/engine/workload';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const CALL: WorkCall = {
  index: 0,
  atMs: 0,
  promptTokens: 500,
  outputTokens: 100,
  maxTokens: 200,
  expectedOutputTokens: 100,
  priority: 3,
  deadlineMs: 60_000,
  minQuality: 0,
  maxUsdPer1k: undefined,
};

function provider(description = {}, group?: GroupLimit): VirtualProvider {
  return new VirtualProvider({ name: 'a', model: 'm', errorShare: 0, description }, 1, group);
}

function listen(): AttemptEvents & { readonly events: string[] } {
  const events: string[] = [];
  return {
    events,
    failed: ({ status }) => events.push(`failed ${status}`),
    reset: () => events.push('reset'),
    progress: (tokens) => events.push(`tokens ${tokens}`),
    finished: () => events.push('ended'),
  };
}

test('VirtualProvider: an answer consists of a first token, a few chunks and an end, and all its tokens are billed', () => {
  const upstream = provider({ price: { input: 1, output: 10 } });
  const events = listen();
  upstream.startAttempt(CALL, events);
  jest.advanceTimersByTime(60_000);
  expect(events.events[0]).toBe('tokens 1');
  expect(events.events.length).toBe(5);
  expect(events.events.at(-1)).toBe('ended');
  expect(upstream.ends).toMatchObject({ answered: 1, unfinished: 0 });
  expect(upstream.usd).toBeCloseTo((500 + 1000) / 1e6, 9);
});

test('VirtualProvider: a slow answer has no gap of more than a few seconds between chunks', () => {
  const upstream = provider({ msPerOutputToken: 1000 });
  const at: number[] = [];
  const note = (): void => void at.push(performance.now());
  upstream.startAttempt(CALL, { ...listen(), progress: note, finished: note });
  jest.advanceTimersByTime(300_000);
  const gaps = at.slice(1).map((time, index) => time - at[index]!);
  expect(at.at(-1)! - at[0]!).toBeGreaterThan(50_000);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(4_001);
});

test('VirtualProvider: an aborted attempt has no further callbacks and is billed for the tokens generated so far', () => {
  const upstream = provider({ price: { input: 0, output: 10 }, msPerOutputToken: 100 });
  const early = listen();
  upstream.startAttempt(CALL, early)();
  const midway = listen();
  const leave = upstream.startAttempt(CALL, midway);
  jest.advanceTimersByTime(6_000);
  const events = midway.events.length;
  leave();
  leave();
  jest.advanceTimersByTime(60_000);
  expect(early.events).toEqual([]);
  expect(midway.events.length).toBe(events);
  expect(upstream.ends).toMatchObject({ answered: 0, left_early: 1, left_midway: 1, unfinished: 0 });
  expect(upstream.usd).toBeGreaterThan(0);
  expect(upstream.usd).toBeLessThan(1000 / 1e6);
});

test('VirtualProvider: a 429 for an exceeded limit is counted separately from one of the storm429 fault', () => {
  const upstream = provider({ rpm: 60, bucketSeconds: 1 });
  upstream.startAttempt(CALL, listen());
  const over = listen();
  upstream.startAttempt(CALL, over);
  upstream.addFault({ kind: 'storm429', share: 1 }, 1_000);
  const storm = listen();
  upstream.startAttempt(CALL, storm);
  jest.advanceTimersByTime(60_000);
  expect([over.events, storm.events]).toEqual([['failed 429'], ['failed 429']]);
  expect(upstream.ends).toMatchObject({ over_limit: 1, storm: 1, answered: 1 });
});

test('VirtualProvider: during an outage half of the calls get no answer', () => {
  const upstream = provider();
  upstream.addFault({ kind: 'outage' }, 10_000);
  const all = Array.from({ length: 40 }, () => listen());
  for (const events of all) upstream.startAttempt(CALL, events);
  jest.advanceTimersByTime(9_999);
  expect(upstream.ends.error).toBeGreaterThan(10);
  expect(upstream.ends.unfinished).toBeGreaterThan(10);
  expect(upstream.ends.error + upstream.ends.unfinished).toBe(40);
  jest.advanceTimersByTime(1);
  upstream.startAttempt(CALL, listen());
  jest.advanceTimersByTime(60_000);
  expect(upstream.ends.answered).toBe(1);
});

test('VirtualProvider: a connection that is reset ends the attempt as an error', () => {
  const upstream = provider();
  upstream.addFault({ kind: 'reset', share: 1 }, 10_000);
  const events = listen();
  upstream.startAttempt(CALL, events);
  jest.advanceTimersByTime(60_000);
  expect(events.events).toEqual(['reset']);
  expect(upstream.ends).toMatchObject({ error: 1, unfinished: 0 });
});

test('VirtualProvider: a malformed answer arrives whole, and an aborted attempt that would fail is not counted as an error', () => {
  const upstream = provider();
  upstream.addFault({ kind: 'bad_answer', form: 'empty_choices' }, 10_000);
  const events = listen();
  upstream.startAttempt(CALL, events);
  jest.advanceTimersByTime(60_000);
  expect(events.events).toEqual(['ended']);
  upstream.addFault({ kind: 'unauthorized' }, 10_000);
  upstream.startAttempt(CALL, listen())();
  expect(upstream.ends).toMatchObject({ bad_answer: 1, left_early: 1, error: 0, unfinished: 0 });
});

test('VirtualProvider: a caller may abort within the callback for a chunk, which is the last one then', () => {
  const upstream = provider();
  const events = listen();
  const leave = upstream.startAttempt(CALL, {
    ...events,
    progress: (tokens, plan) => {
      events.progress(tokens, plan);
      if (events.events.length === 2) leave();
    },
  });
  jest.advanceTimersByTime(60_000);
  expect(events.events).toHaveLength(2);
  expect(upstream.ends).toMatchObject({ left_midway: 1, answered: 0, unfinished: 0 });
});

test('GroupLimit: the error of a refused call names the limit that it exceeds, and when to retry if it ever can', () => {
  const reserving = { bucketSeconds: 1, tokensCharged: 'reserved' as const };
  const requests = new GroupLimit({ ...reserving, rpm: 60 }, 0);
  expect(requests.admit(CALL, 0)).toBeUndefined();
  expect(requests.admit(CALL, 0)).toMatchObject({ status: 429, type: 'requests', retryAfterS: 1 });
  // 500 prompt tokens, and 200 reserved for the answer.
  const tokens = new GroupLimit({ ...reserving, tpm: 60_000 }, 0);
  expect(tokens.admit(CALL, 0)).toBeUndefined();
  tokens.recordOutput(300, 0);
  expect(tokens.admit(CALL, 0)).toMatchObject({
    type: 'tokens',
    message: 'Rate limit reached for the account: Limit 60000, Requested 700.',
    retryAfterS: expect.any(Number) as number,
  });
  const small = new GroupLimit({ ...reserving, tpm: 6_000 }, 0).admit(CALL, 0);
  expect(small).toMatchObject({ status: 429, type: 'tokens' });
  expect(small).not.toHaveProperty('retryAfterS');
});

test('VirtualProvider: providers of a group share its limit, which counts tokens in the same way as they do', () => {
  const limits = { tpm: 60_000, bucketSeconds: 1, tokensCharged: 'actual' as const };
  const group = new GroupLimit(limits, performance.now());
  const [one, other] = [provider({}, group), provider({}, group)];
  one.startAttempt(CALL, listen());
  other.startAttempt(CALL, listen());
  const refused = listen();
  one.startAttempt(CALL, refused);
  jest.advanceTimersByTime(100);
  expect(refused.events).toEqual(['failed 429']);
  expect(one.ends.over_limit).toBe(1);
  jest.advanceTimersByTime(900);
  const later = listen();
  other.startAttempt(CALL, later);
  jest.advanceTimersByTime(60_000);
  expect(later.events.at(-1)).toBe('ended');
});
