import fc from 'fast-check';
import {
  classifyEmbeddedError,
  classifyUnreadableAnswer,
  type ExpectedAnswer,
  findAnswerFault,
} from '../../lib/failure/check-answer';
import { FAILURE_RULES } from '../../lib/failure/classes';
import { classifyAnswer } from '../../lib/failure/classify-answer';
import { classifyError } from '../../lib/failure/classify-error';
import type { FailureDetail } from '../../lib/failure/detail';

const headers = fc.dictionary(
  fc.oneof(
    fc.constantFrom(
      'retry-after',
      'retry-after-ms',
      'x-should-retry',
      'Retry-After',
      '__proto__',
      'content-type',
    ),
    fc.string(),
  ),
  fc.oneof(
    fc.string(),
    fc.constantFrom('-1', 'NaN', '1e999', 'Thu, 99 Foo 2026', '1m1m1m1m1m1m1m'),
    fc.array(fc.string()),
    fc.constant(undefined),
  ),
);
// Keys that the classification reads, for JSON in which they have arbitrary values.
const keys = fc.constantFrom(
  'error',
  'errors',
  'message',
  'code',
  'type',
  'status',
  'param',
  'details',
  'detail',
  'metadata',
  'raw',
  'reasons',
  'innererror',
  'violations',
  'retryDelay',
  'quotaId',
  'choices',
  'finish_reason',
  'promptFeedback',
  'data',
  'loc',
  'msg',
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(
        'insufficient_quota',
        'context_length_exceeded',
        'permission_denied',
        'RESOURCE_EXHAUSTED',
        429,
        '500',
      ),
    ),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(keys, tie('tree'), { maxKeys: 6 }),
  ),
}));
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array).toString('utf8'));
const body = fc.oneof(
  bytes,
  fc.string({ unit: 'binary' }),
  tree.map((value) => JSON.stringify(value)),
);

function expectBounded(detail: FailureDetail): void {
  expect(FAILURE_RULES).toHaveProperty(detail.class);
  expect(typeof detail.message).toBe('string');
  expect(detail.message.length).toBeLessThanOrEqual(1000);
  for (const label of [detail.code, detail.type, detail.param])
    expect((label ?? '').length).toBeLessThanOrEqual(100);
  if (detail.retryAfterMs !== undefined) {
    expect(detail.retryAfterMs).toBeGreaterThanOrEqual(0);
    expect(detail.retryAfterMs).toBeLessThanOrEqual(86_400_000);
  }
}

describe('failure classification of arbitrary input', () => {
  it('classifies any response without throwing, with bounded values', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 100, max: 999 }), fc.double()),
        headers,
        body,
        (status, headers, body) => {
          expectBounded(classifyAnswer({ status, headers, body }));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('checks the body of any successful response without throwing', () => {
    fc.assert(
      fc.property(
        body,
        tree,
        fc.constantFrom<ExpectedAnswer>({ kind: 'chat' }, { kind: 'embeddings', inputs: 2 }),
        (text, parsed, kind) => {
          expectBounded(classifyUnreadableAnswer({ status: 200, headers: {}, body: text }));
          const fault = findAnswerFault(parsed, kind, 200);
          if (fault) expectBounded(fault);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('classifies any event of a stream without throwing', () => {
    fc.assert(
      fc.property(fc.oneof(body, tree), (data) => {
        expectBounded(classifyEmbeddedError(data));
      }),
      { numRuns: 500 },
    );
  });

  it('classifies anything thrown without throwing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          tree,
          fc.record({
            code: fc.anything(),
            message: fc.anything(),
            cause: fc.anything(),
            response: fc.anything(),
          }),
        ),
        (error) => {
          expectBounded(classifyError(error));
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['one letter', 'a'],
    ['spaces', ' '],
    ['digits', '1'],
    ['commas', ','],
    ['dots', '.'],
    ['open brackets', '['],
    ['HTML tags', '<title>'],
    ['the start of a pattern', 'Limit 1 '],
    ['API keys', 'sk-a '],
    ['bearer tokens', 'Bearer '],
    ['header names with colons', 'api-key: '],
    ['hexadecimal digits', 'f0'],
    ['model names', 'the model a is '],
    ['prompts and tokens', 'input length tokens exceed '],
    ['requested amounts', 'requested limit 1 '],
    ['delays', 'retry after 1 s, '],
    ['quotes', '\' "` '],
  ])('reads a 4 MB body of %s in linear time', (_what, piece) => {
    const text = piece.repeat(4_000_000 / piece.length);
    const started = process.cpuUsage();
    for (const body of [
      text,
      JSON.stringify({ error: { message: text, code: text, details: [text], metadata: { raw: text } } }),
    ]) {
      classifyAnswer({ status: 429, headers: { 'retry-after': text }, body });
      classifyEmbeddedError(body);
    }
    classifyError(new Error(text));
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(15_000);
  });

  it('classifies a body nested 100,000 levels deep without throwing', () => {
    for (const text of [
      '['.repeat(100_000) + ']'.repeat(100_000),
      '{"error":'.repeat(100_000) + '1' + '}'.repeat(100_000),
    ]) {
      expectBounded(classifyAnswer({ status: 500, headers: {}, body: text }));
    }
  });
});
