import type { Balancer } from 'express-ai-balancer';
import fc from 'fast-check';
import { BODY, Rig } from '../failover/upstream';
import { expectNothingOpen, expectPlausible } from './figures';
import { ERROR_STATUS, HEADERS, USAGE } from './lies';

/** What an upstream sends, whatever it is. */
interface Response {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const HEADER_TEXT = fc.stringMatching(/^[ -~]{0,20}$/);
const part = fc.oneof(
  fc.constantFrom<unknown>('Hello', '', 'x'.repeat(5000), null, undefined, 7, {}, []),
  fc.string(),
);
const message = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, 'text', []),
  fc.record(
    {
      role: fc.constant('assistant'),
      content: part,
      refusal: part,
      reasoning_content: part,
      tool_calls: fc.constantFrom<unknown>(
        undefined,
        null,
        [],
        [{}],
        [{ index: 0, function: { name: 'f', arguments: '{}' } }],
      ),
    },
    { requiredKeys: [] },
  ),
);
const finish = fc.constantFrom<unknown>(
  'stop',
  'stop',
  'length',
  'content_filter',
  'tool_calls',
  'error',
  '',
  null,
  undefined,
  7,
);
const error = fc.constantFrom<unknown>(
  undefined,
  undefined,
  undefined,
  null,
  false,
  '',
  'broken',
  {},
  { message: 'x', code: 502 },
);
const choice = fc.oneof(
  fc.constantFrom<unknown>(null, 'text', {}),
  fc.record(
    {
      index: fc.constantFrom<unknown>(0, 0, 1, -1, 'a'),
      message,
      delta: message,
      finish_reason: finish,
      error,
      text: part,
    },
    { requiredKeys: [] },
  ),
);
const answer = fc.record(
  {
    id: fc.constantFrom<unknown>('x', 7, null),
    choices: fc.oneof(fc.constant<unknown>(null), fc.array(choice, { maxLength: 3 })),
    usage: USAGE,
    error,
  },
  { requiredKeys: ['choices'] },
);
const event = fc.oneof(
  { weight: 6, arbitrary: answer.map((value) => `data: ${JSON.stringify(value)}\n\n`) },
  {
    weight: 3,
    arbitrary: fc
      .record({ content: fc.string(), finish_reason: finish })
      .map(
        ({ content, finish_reason }) =>
          `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`,
      ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'data: [DONE]\n\n',
      ': ping\n\n',
      '\n',
      'data: {"error":{"message":"x"}}\n\n',
      'event: error\ndata: x\n\n',
      'data: {"choices":[{"delta":{"content":"lo\n\n',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
);
/** Sound but for its usage and what little else is drawn: most others fail at once. */
const soundText = fc.constantFrom('Hello', 'Hello', 'Hello', '');
const soundFinish = fc.constantFrom<unknown>('stop', 'stop', 'length', null, 'error');
const sound = fc
  .record({
    content: soundText,
    finish_reason: soundFinish,
    usage: USAGE,
    isStream: fc.boolean(),
    isDone: fc.boolean(),
  })
  .map(({ content, finish_reason, isStream, isDone, ...rest }) => {
    const data = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
    if (!isStream)
      return JSON.stringify({ choices: [{ index: 0, message: { content }, finish_reason }], ...rest });
    return [
      data({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
      data({ choices: [{ index: 0, delta: {}, finish_reason }] }),
      data({ choices: [], ...rest }),
      isDone ? 'data: [DONE]\n\n' : '',
    ].join('');
  });
const body = fc
  .tuple(
    fc.oneof(
      { weight: 8, arbitrary: sound },
      { weight: 4, arbitrary: fc.array(event, { maxLength: 8 }).map((events) => events.join('')) },
      { weight: 4, arbitrary: answer.map((value) => JSON.stringify(value)) },
      { weight: 1, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 100 }) },
      { weight: 1, arbitrary: fc.constantFrom('', '<html>x</html>', '\ufeff{}', '[1]') },
    ),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
    ),
  )
  .map(([text, share]) => text.slice(0, Math.ceil(text.length * share)));
const response: fc.Arbitrary<Response> = fc.record({
  status: fc.oneof(
    { weight: 5, arbitrary: fc.constant(200) },
    { weight: 2, arbitrary: fc.oneof(fc.constantFrom(201, 204), ERROR_STATUS) },
  ),
  headers: fc
    .tuple(HEADERS, fc.dictionary(fc.constantFrom('retry-after', 'date', 'content-type'), HEADER_TEXT))
    .map(([known, arbitrary]) => ({ ...known, ...arbitrary })),
  body,
});

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const mayBeEmpty = (reason: unknown): boolean => reason === 'length' || reason === 'content_filter';

function expectRoute({ usage: used, costUsd, ...route }: { usage?: unknown; costUsd?: number }): void {
  expectPlausible({ ...route, why: undefined }, 'route');
  expectPlausible(used, 'usage');
  const counts = (used ?? {}) as {
    prompt_tokens?: number;
    completion_tokens?: number;
    total_tokens?: number;
  };
  expect(counts.prompt_tokens).toBeLessThanOrEqual(128_000);
  expect(counts.completion_tokens).toBeLessThanOrEqual(128_000);
  expect(counts.total_tokens).toBe((counts.prompt_tokens ?? 0) + (counts.completion_tokens ?? 0));
  expect(costUsd).toBeGreaterThan(0);
  expect(costUsd).toBeLessThan(1);
}

function expectWhole(data: unknown): void {
  if (!isFields(data) || data.error || !Array.isArray(data.choices) || data.choices.length === 0)
    throw new Error('an answer without choices, or with an error, was a success');
  const choices = data.choices as Fields[];
  for (const { message, finish_reason, error: failed } of choices)
    if (!isFields(message) || finish_reason === 'error' || failed) throw new Error('a choice is not whole');
  const hasContent = choices.some(
    ({ message, finish_reason }) =>
      (typeof finish_reason === 'string' && !['stop', 'tool_calls', ''].includes(finish_reason)) ||
      Object.entries(message as Fields).some(
        ([key, value]) =>
          key !== 'role' && (isText(value) || (isFields(value) && Object.keys(value).length > 0)),
      ),
  );
  if (!hasContent) throw new Error('an empty answer was a success');
}

async function readStream(balancer: Balancer): Promise<void> {
  const stream = await balancer.chat({ ...BODY, stream: true }, { endpoint: 'fuzz', timeoutMs: 2000 });
  const seen = new Set<number>();
  const finished = new Set<number>();
  let isEmpty = true;
  for await (const chunk of stream) {
    for (const [position, each] of chunk.choices.entries()) {
      const index = typeof each.index === 'number' ? each.index : position;
      seen.add(index);
      const reason: unknown = each.finish_reason;
      if (isText(reason)) finished.add(index);
      if (reason === 'error') throw new Error('a stream that finished with an error was a success');
      const delta = isFields(each.delta) ? Object.entries(each.delta) : [];
      if (
        mayBeEmpty(reason) ||
        delta.some(([key, value]) => key !== 'role' && (isText(value) || isFields(value)))
      )
        isEmpty = false;
    }
  }
  if (finished.size === 0 || finished.size < seen.size) throw new Error('a cut stream was a success');
  if (isEmpty) throw new Error('an empty stream was a success');
  expectRoute(stream.route);
}

describe('whatever an upstream answers', () => {
  const rig = new Rig();

  it('only complete answers count as successes, and every figure is finite, non-negative and bounded', async () => {
    let current: Response | undefined;
    const { balancer } = await rig.start(
      {
        fuzz: ({ res }) => {
          const { status, headers, body: text } = current!;
          res.writeHead(status, headers).end(text);
        },
      },
      {
        each: { fuzz: { price: { input: 1, output: 2, cachedInput: 0.5 } } },
        retry: { maxAttempts: 1 },
      },
    );
    const outcomes = { ok: 0, failed: 0 };
    await fc.assert(
      fc.asyncProperty(response, fc.boolean(), async (next, isStreamed) => {
        current = next;
        balancer.endpoint('fuzz').enable();
        try {
          if (isStreamed) await readStream(balancer);
          else {
            const { data, route } = await balancer
              .chat(BODY, { endpoint: 'fuzz', timeoutMs: 2000 })
              .withRoute();
            expectWhole(data);
            expectRoute(route);
          }
          outcomes.ok++;
        } catch (thrown) {
          const { name, code, retryAfterMs, attempts } = thrown as Fields;
          if (name !== 'AiBalancerError') throw thrown;
          outcomes.failed++;
          expect(code).toMatch(/^ERR_AI_/);
          expectPlausible({ retryAfterMs, attempts }, 'error');
          if (retryAfterMs !== undefined) expect(retryAfterMs).toBeLessThanOrEqual(1.1 * 86_400_000);
        }
        await expectNothingOpen();
        expectPlausible(balancer.stats(), 'stats');
      }),
      { numRuns: 400, interruptAfterTimeLimit: 5_000, markInterruptAsFailure: false },
    );
    // Both kinds must occur, or nothing was tested.
    expect(outcomes.ok).toBeGreaterThan(5);
    expect(outcomes.failed).toBeGreaterThan(20);
  });
});
