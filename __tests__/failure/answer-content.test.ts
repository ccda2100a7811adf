import {
  classifyEmbeddedError,
  classifyUnreadableAnswer,
  findAnswerFault,
  holdsContent,
  holdsError,
  needsContent,
  nestedAnswer,
} from '../../lib/failure/check-answer';
import { classifyAnswer } from '../../lib/failure/classify-answer';

const chatFault = (choices: unknown, mayBeEmpty?: boolean) =>
  findAnswerFault({ choices }, { kind: 'chat', ...(mayBeEmpty !== undefined && { mayBeEmpty }) }, 200);
const EMPTY = { finish_reason: 'stop', message: { content: '' } };
const FULL = { finish_reason: 'stop', message: { content: 'Hello' } };

describe('An answer without content', () => {
  it('is a fault, unless the call allows it', () => {
    expect(chatFault([EMPTY])).toMatchObject({ class: 'bad_answer', code: 'empty_answer', status: 200 });
    expect(chatFault([EMPTY], false)).toMatchObject({ code: 'empty_answer' });
    expect(chatFault([EMPTY], true)).toBeUndefined();
  });

  it('is none if one of several choices has content', () => {
    expect(chatFault([EMPTY, FULL])).toBeUndefined();
    expect(chatFault([EMPTY, EMPTY])).toMatchObject({ code: 'empty_answer' });
  });

  it.each(['', 'stop', 'eos', 'eos_token', 'end_turn', 'tool_calls', 'function_call', 'null', 'STOP'])(
    'is a fault with the finish reason %j',
    (reason) => {
      expect(needsContent(reason)).toBe(true);
      expect(chatFault([{ ...EMPTY, finish_reason: reason }])).toMatchObject({ code: 'empty_answer' });
    },
  );

  it.each([undefined, null, 7])('is a fault without a finish reason (%p)', (reason) => {
    expect(needsContent(reason)).toBe(true);
    expect(chatFault([{ ...EMPTY, finish_reason: reason }])).toMatchObject({ code: 'empty_answer' });
  });

  it.each(['length', 'content_filter', 'stopped', 'nonstop'])(
    'is complete with the finish reason %j, which explains it',
    (reason) => {
      expect(needsContent(reason)).toBe(false);
      expect(chatFault([{ ...EMPTY, finish_reason: reason }])).toBeUndefined();
    },
  );
});

describe('A message', () => {
  it.each([
    'content',
    'refusal',
    'reasoning_content',
    'reasoning',
    'tool_calls',
    'function_call',
    'audio',
    'images',
    'reasoning_details',
  ])('has content in the field %s, as a text or an object that is not empty', (field) => {
    expect(holdsContent({ [field]: 'x' })).toBe(true);
    expect(holdsContent({ [field]: [{}] })).toBe(true);
    expect(holdsContent({ [field]: '' })).toBe(false);
    expect(holdsContent({ [field]: [] })).toBe(false);
    expect(holdsContent({ [field]: {} })).toBe(false);
    expect(holdsContent({ [field]: null })).toBe(false);
    expect(holdsContent({ [field]: 7 })).toBe(false);
  });

  it('has none in its role', () => {
    expect(holdsContent({ role: 'assistant' })).toBe(false);
  });
});

describe('An error inside an answer', () => {
  it.each([
    [{ error: { message: 'm' } }, true],
    [[{ error: 'm' }], true],
    [{ object: 'error' }, true],
    [{ choices: [{ error: {} }] }, true],
    [{ choices: [FULL, { finish_reason: 'error' }] }, true],
    [{ choices: ['error'] }, false],
    [{ choices: 'error' }, false],
    [{ error: null, choices: [FULL] }, false],
    ['error', false],
    [undefined, false],
  ])('%j: %j', (value, isError) => {
    expect(holdsError(value)).toBe(isError);
  });

  it('is that of the answer, or else that of the first choice with one', () => {
    const inChoice = { choices: [FULL, { error: { message: 'of the choice', code: 503 } }] };
    expect(classifyEmbeddedError(inChoice)).toMatchObject({ message: 'of the choice', status: 503 });
    expect(classifyEmbeddedError({ error: { message: 'at the top' }, ...inChoice }).message).toBe(
      'at the top',
    );
    expect(classifyEmbeddedError('a plain text')).toMatchObject({ class: 'server', message: 'a plain text' });
    expect(classifyEmbeddedError({ message: 'bare', choices: [FULL] }).message).toBe('bare');
  });

  it('without a message says so', () => {
    expect(classifyEmbeddedError({ error: {} }).message).toBe('Error without a message');
  });

  it("that is the upstream's fault makes the answer bad; that of a limit keeps its class", () => {
    const fault = (error: object) => findAnswerFault({ error }, { kind: 'chat' }, 200);
    expect(fault({ message: 'oops' })).toMatchObject({ class: 'bad_answer', status: 200 });
    expect(fault({ message: 'slow down', code: 429 })).toMatchObject({ class: 'rate_limited', status: 429 });
  });
});

describe('An answer that is not one', () => {
  it('is nested too deeply', () => {
    expect(nestedAnswer(201)).toMatchObject({ class: 'bad_answer', status: 201, code: 'nested_too_deep' });
  });

  it('is a text that is not JSON, with its content type', () => {
    const message = (headers: Record<string, string>) =>
      classifyUnreadableAnswer({ status: 200, headers, body: '{"cut' }).message;
    expect(message({ 'content-type': 'text/plain; charset=utf-8' })).toBe(
      'The answer is not complete JSON (text/plain)',
    );
    expect(message({})).toBe('The answer is not complete JSON (unknown content type)');
    expect(message({ 'content-type': 't'.repeat(70) })).toBe(
      `The answer is not complete JSON (${'t'.repeat(60)})`,
    );
  });

  it('is an error in a format that the dialect does not know', () => {
    const body = '{"error":{"message":"slow down","code":429}}';
    expect(classifyUnreadableAnswer({ status: 200, headers: {}, body })).toMatchObject({
      class: 'rate_limited',
    });
  });

  it('is a blocked prompt, with 100 characters of the reason', () => {
    const blocked = (blockReason: unknown) =>
      findAnswerFault({ promptFeedback: { blockReason } }, { kind: 'chat' }, 200);
    expect(blocked('SAFETY')).toMatchObject({ class: 'content_policy', code: 'SAFETY' });
    expect(blocked('r'.repeat(101))?.code).toBe('r'.repeat(100));
    expect(blocked(7)).toMatchObject({ class: 'bad_answer', code: 'no_choices' });
  });
});

describe('An answer with embeddings', () => {
  const fault = (embeddings: unknown[], inputs = embeddings.length) =>
    findAnswerFault(
      { data: embeddings.map((embedding) => ({ embedding })) },
      { kind: 'embeddings', inputs },
      200,
    )?.code;

  it('has as many as there are inputs', () => {
    expect(fault([[1], [2]])).toBeUndefined();
    expect(fault([[1], [2]], 3)).toBe('wrong_count');
    expect(fault([[1], [2]], 1)).toBe('wrong_count');
  });

  it('has vectors of one length and one encoding', () => {
    expect(fault([[1], [1, 2]])).toBe('unequal_embeddings');
    expect(fault(['AAAA', 'AAAAAAAA'])).toBe('unequal_embeddings');
    expect(fault(['A', [1]])).toBe('unequal_embeddings');
    expect(fault(['AAAA', 'BBBB'])).toBeUndefined();
  });

  it('is checked for base64 in its first 64 characters', () => {
    expect(fault([`${'A'.repeat(64)}!`])).toBeUndefined();
    expect(fault([`${'A'.repeat(63)}!`])).toBe('no_embeddings');
  });
});

describe('A response with a status', () => {
  const classify = (status: number, body: object | string = '', headers: Record<string, string> = {}) =>
    classifyAnswer({ status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) });

  it.each([
    [399, 'bad_answer'],
    [402, 'quota_exhausted'],
    [499, 'server'],
    [498, 'too_large'],
    [501, 'not_served'],
    [500, 'server'],
  ])('%d is %s', (status, failureClass) => {
    expect(classify(status).class).toBe(failureClass);
  });

  it('400 without a body is not a redirect', () => {
    expect(classify(400).class).not.toBe('bad_answer');
  });

  it('413 is about the request only if the provider says so', () => {
    expect(classify(413, '<html>413</html>').class).toBe('not_served');
    expect(classify(413, { error: { message: 'Bad field' } }).class).toBe('bad_request');
    expect(classify(413, { error: { message: 'maximum context length is 8192 tokens' } }).class).toBe(
      'context_window',
    );
  });

  it('500 that names a missing capability lacks it for this request only', () => {
    const error = { message: 'image input is not supported' };
    expect(classify(500, { error })).toMatchObject({ class: 'not_served', lacksCapability: true });
    expect(classify(500, 'image input is not supported').class).toBe('server');
    expect(classify(404, '').lacksCapability).toBeUndefined();
    expect(classify(429, { error }).lacksCapability).toBeUndefined();
  });

  it('without a message is named by its status', () => {
    expect(classify(502).message).toBe('HTTP 502');
  });

  it('may name a delay in its message with 429 and from 500 on', () => {
    const body = { error: { message: 'Please retry after 26 seconds' } };
    expect(classify(429, body).retryAfterMs).toBe(26_000);
    expect(classify(500, body).retryAfterMs).toBe(26_000);
    expect(classify(499, body).retryAfterMs).toBeUndefined();
    expect(classifyEmbeddedError(body).retryAfterMs).toBeUndefined();
  });

  it('names a model that is missing only if the parameter at fault is the model', () => {
    const about = (param: string | undefined) =>
      classify(400, { error: { message: 'model x not found', ...(param !== undefined && { param }) } }).class;
    expect(about(undefined)).toBe('model_missing');
    expect(about('model')).toBe('model_missing');
    expect(about('body.model')).toBe('model_missing');
    expect(about('models')).toBe('bad_request');
    expect(about('fine_model')).toBe('bad_request');
    expect(about('tools')).toBe('bad_request');
  });

  it('404 about a parameter of the request is not about the endpoint', () => {
    const about = (param: string) => classify(404, { error: { message: 'gone', param } }).class;
    expect(about('file_id')).toBe('bad_request');
    expect(about('model')).toBe('not_served');
    expect(about('body.model')).toBe('not_served');
    expect(about('models')).toBe('bad_request');
  });
});
