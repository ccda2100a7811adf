import { findAnswerFault } from '../../lib/failure/check-answer';
import { classifyAnswer } from '../../lib/failure/classify-answer';
import { classifyError } from '../../lib/failure/classify-error';
import { isContextWindow } from '../../lib/failure/context-window';
import { safeMessage } from '../../lib/failure/detail';
import { readErrorBody } from '../../lib/failure/error-body';
import { lacksCapability, mentionsRequestPart, namesCallersResource } from '../../lib/failure/missing-model';
import { impliedStatus, isContentPolicy } from '../../lib/failure/patterns';
import { isTooLarge } from '../../lib/failure/request-too-large';

const saying = (message: string) => readErrorBody({ error: { message } });
/** An error of OpenRouter, whose own message says nothing: the cause is in the nested one. */
const nested = (message: string) =>
  readErrorBody({
    error: { message: 'Provider returned error', metadata: { raw: JSON.stringify({ message }) } },
  });

describe('A request is too large', () => {
  it.each([
    ['limit 7,000, requested 7,001', true],
    ['limit 7,000, requested 7,000', false],
    ['limit 7,000, requested 6,999', false],
    ['limit 30k, requested 30,001', true],
    ['limit 30k, requested 29,999', false],
    ['limit 900, requested 1k', true],
    ['limit 1000, requested 1k', false],
    ['requested 7,001', false],
    ['limit 7,000', false],
  ])('by "%s": %j', (message, expected) => {
    expect(isTooLarge(saying(message))).toBe(expected);
  });

  it('by what the account can still afford, unless that is nothing', () => {
    const affords = (amount: string) =>
      isTooLarge(saying(`requires more credits, or fewer max_tokens. You can only afford ${amount}`));
    expect(affords('1')).toBe(true);
    expect(affords('0')).toBe(false);
    expect(affords('-5')).toBe(false);
  });
});

describe('A context window is exceeded', () => {
  it.each([
    ['maximum context length is 8192 tokens', true],
    ['context_length is a required field', false],
    ['context_length must be a number', false],
    ['context_length must be an integer', false],
    ['the prompt has too many tokens', true],
    ['the prompt has too many tokens per minute', false],
  ])('by "%s": %j', (message, expected) => {
    expect(isContextWindow(saying(message))).toBe(expected);
  });
});

describe('What the nested message of an error states', () => {
  it('counts like the message itself', () => {
    expect(isTooLarge(nested('limit 7,000, requested 7,001'))).toBe(true);
    expect(isContentPolicy(nested('Output blocked by content filtering policy'))).toBe(true);
    expect(mentionsRequestPart(nested('no access to this image'))).toBe(true);
    expect(namesCallersResource(nested('No such file'))).toBe(true);
    expect(lacksCapability(nested('image input is not supported'))).toBe(true);
  });

  it('is nothing if it says something else', () => {
    const other = nested('Overloaded');
    expect(isTooLarge(other)).toBe(false);
    expect(isContentPolicy(other)).toBe(false);
    expect(mentionsRequestPart(other)).toBe(false);
    expect(namesCallersResource(other)).toBe(false);
    expect(lacksCapability(other)).toBe(false);
  });
});

describe('The status of an error inside a 200', () => {
  it('is the stated one, or else that of the first code that stands for one', () => {
    const status = (error: object) => impliedStatus(readErrorBody({ error }));
    expect(status({ code: 503, type: 'rate_limit_error' })).toBe(503);
    expect(status({ code: 'custom', type: 'rate_limit_error' })).toBe(429);
    expect(status({ code: 'custom' })).toBeUndefined();
  });

  it.each([' 429', '429 ', '0429', '429.0'])('is not read from %j', (code) => {
    expect(impliedStatus(readErrorBody({ error: { message: 'm', code } }))).toBeUndefined();
  });
});

describe('The text of an error', () => {
  it.each([400, 422])('in HTML with %d makes the request bad', (status) => {
    expect(classifyAnswer({ status, headers: {}, body: '<html>no</html>' }).class).toBe('bad_request');
  });

  it('in plain text with 413 may name the context window', () => {
    const body = 'maximum context length is 8192 tokens';
    expect(classifyAnswer({ status: 413, headers: {}, body }).class).toBe('context_window');
  });

  it('is left as it is if it has exactly 1,000 characters', () => {
    const text = `${'w '.repeat(500).slice(0, 999)}\ud83d`;
    expect(safeMessage(text)).toBe(text);
  });

  it('is that of the validation errors, whatever else their list holds', () => {
    expect(readErrorBody({ detail: [null, 7, { msg: 'field required' }] }).message).toBe('field required');
  });

  it('that was thrown is read up to 4,096 characters', () => {
    const late = (before: number) => `${' '.repeat(before)}timed out`;
    expect(classifyError(late(4_096 - 9)).class).toBe('timeout');
    expect(classifyError(late(4_096)).class).toBe('connection');
    expect(classifyError(new Error(late(4_096 - 9))).class).toBe('timeout');
    expect(classifyError(new Error(late(4_096))).class).toBe('connection');
  });
});

describe('A thrown error', () => {
  it('that was cancelled is aborted, whatever broke off because of it', () => {
    const cause = Object.assign(new Error('socket'), { code: 'ECONNRESET' });
    const error = Object.assign(new Error('canceled'), { code: 'ERR_CANCELED', cause });
    expect(classifyError(error).class).toBe('aborted');
  });

  it("is an answer that broke off by 'aborted' only with ECONNRESET", () => {
    const withCode = (code: string) => classifyError(Object.assign(new Error('aborted'), { code })).class;
    expect(withCode('ECONNRESET')).toBe('bad_answer');
    expect(withCode('EPIPE')).toBe('connection');
    expect(withCode('ETIMEDOUT')).toBe('timeout');
  });

  it('has an answer whose body is read if it is a text or plain JSON', () => {
    const error = { message: 'slow down' };
    class Stream {
      readonly error = error;
    }
    const message = (data: unknown) =>
      classifyError(Object.assign(new Error('x'), { response: { status: 503, data } })).message;
    expect(message(JSON.stringify({ error }))).toBe('slow down');
    expect(message({ error })).toBe('slow down');
    expect(message([{ error }])).toBe('slow down');
    expect(message(new Stream())).toBe('HTTP 503');
    for (const data of [undefined, null, 7]) expect(message(data)).toBe('HTTP 503');
  });
});

describe('Embeddings', () => {
  it('are too many if one input has two', () => {
    const data = [
      { index: 0, embedding: [1] },
      { index: 0, embedding: [1] },
    ];
    const code = (inputs: number) => findAnswerFault({ data }, { kind: 'embeddings', inputs }, 200)?.code;
    expect(code(1)).toBe('wrong_count');
    expect(code(2)).toBe('wrong_count');
  });
});
