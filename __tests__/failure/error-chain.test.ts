import { classifyError } from '../../lib/failure/classify-error';

function thrown(code: string, message: string, fields: object = {}): Error {
  return Object.assign(new Error(message), { code, ...fields });
}

describe('The code and message of an error with causes', () => {
  it('are those of the innermost cause whose code is known', () => {
    const inner = thrown('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.1:443');
    const outer = thrown('ERR_NETWORK', 'Network Error', { cause: inner });
    expect(classifyError(outer)).toMatchObject({
      class: 'connection',
      code: 'ECONNREFUSED',
      message: 'connect ECONNREFUSED 10.0.0.1:443',
    });
  });

  it('are those of the outer error if only its code is known', () => {
    const error = thrown('ETIMEDOUT', 'connect ETIMEDOUT', { cause: new Error('no code') });
    expect(classifyError(error)).toMatchObject({ class: 'timeout', code: 'ETIMEDOUT' });
  });

  it('are those of the first cause with a code if no code is known', () => {
    const error = Object.assign(new Error('outer'), { cause: thrown('custom-code', 'inner') });
    expect(classifyError(error)).toMatchObject({
      class: 'connection',
      code: 'custom-code',
      message: 'inner',
    });
  });

  it('are those of the error itself if none has a code', () => {
    const error = Object.assign(new Error('outer'), { cause: new Error('inner') });
    expect(classifyError(error)).toMatchObject({ message: 'outer' });
    expect(classifyError(error).code).toBeUndefined();
  });

  it('are those of the first of several errors without a cause', () => {
    const errors = [thrown('ECONNREFUSED', 'first'), thrown('ETIMEDOUT', 'second')];
    expect(classifyError(new AggregateError(errors, ''))).toMatchObject({ message: 'first' });
    const withCause = Object.assign(new AggregateError(errors, ''), { cause: thrown('EPIPE', 'cause') });
    expect(classifyError(withCause)).toMatchObject({ message: 'cause' });
    const withoutCause = Object.assign(new AggregateError(errors, ''), { cause: undefined });
    expect(classifyError(withoutCause)).toMatchObject({ message: 'first' });
  });

  it('are read from the error and three causes', () => {
    const nested = (depth: number): Error =>
      depth === 0
        ? thrown('ECONNREFUSED', 'innermost')
        : Object.assign(new Error(`level ${depth}`), { cause: nested(depth - 1) });
    expect(classifyError(nested(3)).message).toBe('innermost');
    expect(classifyError(nested(4)).message).toBe('level 4');
  });

  it('may be a thrown text, of which the first 1,000 characters are kept', () => {
    expect(classifyError('socket hang up')).toEqual({ class: 'connection', message: 'socket hang up' });
    expect(classifyError(Object.assign(new Error(''), { cause: 'a text' })).message).toBe('Unknown error');
    expect(classifyError('x '.repeat(5_000)).message).toHaveLength(1_000);
  });

  it.each([7, true, null, undefined, Symbol('s')])('are unknown for %p', (value) => {
    expect(classifyError(value)).toEqual({ class: 'connection', message: 'Unknown error' });
  });

  it('are unknown if they are not texts', () => {
    expect(classifyError({ message: 7, code: {} })).toEqual({
      class: 'connection',
      message: 'Unknown error',
    });
  });

  it('are the code without a message', () => {
    expect(classifyError(thrown('ECONNREFUSED', ''))).toMatchObject({ message: 'ECONNREFUSED' });
  });
});

describe('A connection that breaks off after the answer has begun', () => {
  it('says so in its message', () => {
    expect(classifyError(thrown('ECONNRESET', 'aborted'))).toEqual({
      class: 'bad_answer',
      code: 'ECONNRESET',
      message: 'the connection was aborted',
    });
    expect(classifyError(new Error('terminated')).message).toBe('terminated');
  });

  it('is not an abort by the caller, whose message stays', () => {
    const aborted = Object.assign(new Error('aborted'), { name: 'AbortError' });
    expect(classifyError(aborted)).toMatchObject({ class: 'aborted', message: 'aborted' });
  });

  it.each([
    ['stream has been aborted', 'bad_answer'],
    ['Premature close', 'bad_answer'],
    ['the peer was aborted', 'connection'],
    ['aborted by policy', 'connection'],
  ])('%j is %s', (message, expected) => {
    expect(classifyError(new Error(message)).class).toBe(expected);
  });
});

describe('An answer larger than maxResponseBytes', () => {
  it('has a code of its own', () => {
    const tooLarge = thrown('ERR_BAD_RESPONSE', 'maxContentLength size of 100 exceeded');
    expect(classifyError(tooLarge).code).toBe('response_too_large');
  });

  it.each([
    ['ERR_BAD_RESPONSE', 'the text says maxContentLength size of 100'],
    ['ERR_BAD_RESPONSE', 'stream has been aborted'],
    ['ECONNRESET', 'maxContentLength size of 100 exceeded'],
  ])('is neither %s with %j', (code, message) => {
    expect(classifyError(thrown(code, message)).code).toBe(code);
  });
});

describe('An aborted connection (ECONNABORTED)', () => {
  it.each([
    ['request aborted', 'connection'],
    ['Software caused connection abort', 'connection'],
    ['read ECONNABORTED', 'connection'],
    ['the request aborted late', 'timeout'],
    ['timeout of 30 ms exceeded', 'timeout'],
  ])('with the message %j is %s', (message, expected) => {
    expect(classifyError(thrown('ECONNABORTED', message)).class).toBe(expected);
  });

  it('needs that code', () => {
    expect(classifyError(thrown('ERR_BAD_REQUEST', 'request aborted')).class).toBe('bad_request');
  });
});

describe('An error without a known code', () => {
  it.each([
    ['it timed out', 'timeout'],
    ['a time out of 3 s', 'timeout'],
    ['timeout', 'timeout'],
    ['timedout', 'timeout'],
    ['the timeouts are set', 'connection'],
  ])('that says %j is %s', (message, expected) => {
    expect(classifyError(new Error(message)).class).toBe(expected);
  });

  it.each([
    [new TypeError('x is not a function'), 'bad_request'],
    [new RangeError('Invalid string length'), 'bad_request'],
    [new TypeError('fetch failed'), 'connection'],
    [Object.assign(new TypeError('x'), { code: 'custom-code' }), 'connection'],
    [new Error('x'), 'connection'],
    [Object.assign(new Error('x'), { name: 'CanceledError' }), 'aborted'],
    [Object.assign(new Error('x'), { cause: thrown('ERR_CANCELED', 'canceled') }), 'aborted'],
    [thrown('ECONNRESET', 'x', { cause: Object.assign(new Error('y'), { name: 'AbortError' }) }), 'aborted'],
  ])('(%s) is %s', (error, expected) => {
    expect(classifyError(error).class).toBe(expected);
  });
});

describe('A socket that has served before', () => {
  const reused = { request: { reusedSocket: true } };

  it.each([
    ['ECONNRESET', true],
    ['EPIPE', true],
    ['UND_ERR_SOCKET', true],
    ['ECONNREFUSED', undefined],
  ])('explains %s: %p', (code, isStale) => {
    expect(classifyError(thrown(code, 'closed', reused)).staleSocket).toBe(isStale);
  });

  it('does not explain an answer that breaks off', () => {
    expect(classifyError(thrown('ECONNRESET', 'aborted', reused)).staleSocket).toBeUndefined();
  });

  it('is not assumed without a sign of it', () => {
    expect(classifyError(thrown('EPIPE', 'write EPIPE')).staleSocket).toBeUndefined();
    expect(classifyError(thrown('EPIPE', 'x', { socket: {} })).staleSocket).toBeUndefined();
    expect(classifyError(thrown('EPIPE', 'x', { socket: { bytesRead: '9' } })).staleSocket).toBeUndefined();
  });
});

describe('A response that is attached to an error', () => {
  const classOf = (response: unknown) =>
    classifyError(Object.assign(new Error('custom'), { response })).class;

  it.each([
    [{ status: 300, data: '' }, 'bad_answer'],
    [{ status: 299, data: '' }, 'connection'],
    [{ status: '503', data: '' }, 'connection'],
    [{ data: '' }, 'connection'],
    ['a text', 'connection'],
  ])('%j makes it %s', (response, expected) => {
    expect(classOf(response)).toBe(expected);
  });
});
