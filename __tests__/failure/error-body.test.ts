import { looksLikeHtml, parseBody, readErrorBody } from '../../lib/failure/error-body';

describe('The text of an error body', () => {
  it('is parsed up to a million characters', () => {
    const atLimit = `"${'x'.repeat(999_998)}"`;
    expect(parseBody(atLimit)).toBe('x'.repeat(999_998));
    expect(parseBody(` ${atLimit}`)).toBeUndefined();
  });

  it.each([
    ['<!DOCTYPE html><html>', true],
    ['<html lang="en">', true],
    ['<HEAD>', true],
    ['<?xml version="1.0"?>', true],
    ['<center>', true],
    ['<h1>502</h1>', true],
    [`${' \n'.repeat(50)}<body>`, true],
    [`${' '.repeat(101)}<body>`, false],
    ['see <html>', false],
    ['<p>a paragraph', false],
    ['', false],
  ])('%j is a page: %j', (text, isPage) => {
    expect(looksLikeHtml(text)).toBe(isPage);
  });

  it('that is a page is reduced to its title', () => {
    const page = '<html><head><TITLE>  502 Bad Gateway </TITLE></head><body>secret</body></html>';
    expect(readErrorBody(page)).toEqual({
      isStructured: false,
      message: 'HTML page: 502 Bad Gateway',
      codes: new Set(),
      quotaIds: [],
      isFlagged: false,
    });
    expect(readErrorBody('<html><body>no title</body></html>').message).toBe('HTML page');
    expect(readErrorBody('<html><title></title></html>').message).toBe('HTML page');
  });

  it('of a page is searched for a title in its first 4,096 characters only', () => {
    const page = (before: number) => `<html>${' '.repeat(before)}<title>Late</title>`;
    expect(readErrorBody(page(4_096 - 17)).message).toBe('HTML page: Late');
    expect(readErrorBody(page(4_096)).message).toBe('HTML page');
  });

  it('that is plain is trimmed and cut at 4,096 characters', () => {
    expect(readErrorBody('  upstream connect error \n').message).toBe('upstream connect error');
    expect(readErrorBody('x'.repeat(5_000)).message).toBe('x'.repeat(4_096));
    expect(readErrorBody(undefined).message).toBe('');
  });
});

describe('An error body in JSON', () => {
  it('has the fields of its error, with codes in lower case', () => {
    const error = { message: 'No such model', code: 'Model_Not_Found', type: 'Invalid', param: 'model' };
    expect(readErrorBody(JSON.stringify({ error }))).toMatchObject({
      isStructured: true,
      message: 'No such model',
      code: 'Model_Not_Found',
      type: 'Invalid',
      param: 'model',
      codes: new Set(['model_not_found', 'invalid']),
      quotaIds: [],
      isFlagged: false,
    });
  });

  it.each([
    ['an error object', { error: {} }, true],
    ['the first of a list of errors', { errors: [{}] }, true],
    ['a message alone', { message: 'no' }, true],
    ['a code alone', { code: 'no_credit' }, true],
    ['neither', { id: 1, choices: [] }, false],
    ['an empty object', {}, false],
  ])('is structured by %s', (_, body, isStructured) => {
    expect(readErrorBody(body).isStructured).toBe(isStructured);
  });

  it('without an error is read as text', () => {
    expect(readErrorBody('{"ok":true}').message).toBe('{"ok":true}');
  });

  it('may be the first of a list', () => {
    expect(readErrorBody([{ error: { message: 'first' } }, { error: { message: 'second' } }]).message).toBe(
      'first',
    );
  });

  it.each(['innererror', 'inner_error'])('has the code of its %s', (field) => {
    const body = readErrorBody({
      error: { message: 'm', [field]: { code: 'ResponsibleAIPolicyViolation' } },
    });
    expect(body.codes).toEqual(new Set(['responsibleaipolicyviolation']));
  });

  it('takes no code that is empty or longer than 100 characters', () => {
    const codesOf = (code: unknown) => [...readErrorBody({ error: { message: 'm', code } }).codes];
    expect(codesOf('c'.repeat(100))).toEqual(['c'.repeat(100)]);
    expect(codesOf('c'.repeat(101))).toEqual([]);
    expect(codesOf('')).toEqual([]);
    expect(codesOf(429)).toEqual([]);
  });

  it('names its code by code, status or error_code, each cut at 200 characters', () => {
    const codeOf = (error: object) => readErrorBody({ error }).code;
    expect(codeOf({ code: 429, status: 'RESOURCE_EXHAUSTED' })).toBe('429');
    expect(codeOf({ code: '', status: 'RESOURCE_EXHAUSTED' })).toBe('RESOURCE_EXHAUSTED');
    expect(codeOf({ error_code: 'E1' })).toBe('E1');
    expect(codeOf({ code: 'c'.repeat(201) })).toBe('c'.repeat(200));
    expect(codeOf({ code: { nested: true } })).toBeUndefined();
  });

  it("reads Python's None as no parameter", () => {
    expect(readErrorBody({ error: { message: 'm', param: 'None' } }).param).toBeUndefined();
    expect(readErrorBody({ error: { message: 'm', param: 'n' } }).param).toBe('n');
  });

  it.each([
    [400, 400],
    [599, 599],
    [399, undefined],
    [600, undefined],
    [429.5, undefined],
    ['429', 429],
    ['x429', undefined],
    ['4290', undefined],
    ['4', undefined],
    ['abc', undefined],
    [Number.NaN, undefined],
    [null, undefined],
    [['429'], undefined],
  ])('with the code %j states the status %j', (code, status) => {
    expect(readErrorBody({ error: { message: 'm', code } }).status).toBe(status);
  });

  it('states the status of its status field, or of statusCode beside the error', () => {
    expect(readErrorBody({ error: { message: 'm', status: 503 } }).status).toBe(503);
    expect(readErrorBody({ error: { message: 'm' }, statusCode: 401 }).status).toBe(401);
  });
});

describe('The message of an error body', () => {
  const messageOf = (body: unknown) => readErrorBody(body).message;

  it.each([
    [{ error: { message: 'a' } }, 'a'],
    [{ error: { message: '', detail: 'b' } }, 'b'],
    [{ error: 'c' }, 'c'],
    [{ detail: 'd' }, 'd'],
    [{ msg: 'e' }, 'e'],
    [{ message: { detail: 'f' } }, 'f'],
    [{ message: { error: 'g' } }, 'g'],
    [{ message: { message: 'h' } }, 'h'],
    [{ message: { detail: '' }, msg: 'i' }, 'i'],
    [{ message: { detail: 7 }, msg: 'j' }, 'j'],
    [{ detail: [], msg: 'k' }, 'k'],
    [{ message: 7, msg: 'l' }, 'l'],
    [{ error: { code: 'x' }, message: 'm' }, 'm'],
  ])('of %j is %j', (body, message) => {
    expect(messageOf(body)).toBe(message);
  });

  it('is cut at 4,096 characters', () => {
    expect(messageOf({ message: 'x'.repeat(5_000) })).toBe('x'.repeat(4_096));
    expect(messageOf({ message: { detail: 'x'.repeat(5_000) } })).toBe('x'.repeat(4_096));
  });

  it('for validation errors lists the first five, without the input that the caller sent', () => {
    const detail = [
      { loc: ['body', 'messages', 0], msg: 'field required', input: 'a prompt' },
      { loc: ['body'], msg: '' },
      { msg: 'no place' },
      'not an object',
      { loc: ['x'], msg: 7 },
      { msg: 'the sixth' },
    ];
    expect(messageOf({ detail })).toBe('body.messages.0: field required; no place');
  });

  it('for a validation error names at most eight steps of its place, and 300 characters of its text', () => {
    const loc = Array.from({ length: 10 }, (_, index) => index);
    expect(messageOf({ detail: [{ loc, msg: 'm'.repeat(301) }] })).toBe(
      `0.1.2.3.4.5.6.7: ${'m'.repeat(300)}`,
    );
  });
});

describe("What Google's details say", () => {
  const withDetails = (...details: unknown[]) => readErrorBody({ error: { message: 'm', details } });

  it('are reasons, error codes, the first retry time and the names of quotas', () => {
    const body = withDetails(
      { reason: 'API_KEY_INVALID', error_code: 'E7' },
      { retryDelay: '17s' },
      { retryDelay: '99s' },
      { violations: [{ quotaId: 'PerMinute-FreeTier' }, { quotaId: 7 }, 'x', { quotaValue: '0' }] },
      'not an object',
    );
    expect(body.codes).toEqual(new Set(['api_key_invalid', 'e7']));
    expect(body.retryDelayMs).toBe(17_000);
    expect(body.quotaIds).toEqual(['perminute-freetier', 'zero']);
  });

  it('are read from a single object too', () => {
    expect(readErrorBody({ error: { message: 'm', details: { reason: 'R' } } }).codes).toEqual(
      new Set(['r']),
    );
  });

  it('are read up to 32 details and 32 violations, with 200 characters of a name', () => {
    const reasons = Array.from({ length: 40 }, (_, index) => ({ reason: `r${index}` }));
    expect(withDetails(...reasons).codes.size).toBe(32);
    const violations = Array.from({ length: 40 }, (_, index) => ({ quotaId: `q${index}` }));
    expect(withDetails({ violations }).quotaIds).toHaveLength(32);
    expect(withDetails({ violations: [{ quotaId: 'q'.repeat(201) }] }).quotaIds).toEqual(['q'.repeat(200)]);
  });
});

describe("What OpenRouter's metadata says", () => {
  const withMetadata = (metadata: object) => readErrorBody({ error: { message: 'm', metadata } });

  it('is that the input was flagged', () => {
    expect(withMetadata({ reasons: ['violence'] }).isFlagged).toBe(true);
    expect(withMetadata({ flagged_input: 'text' }).isFlagged).toBe(true);
    expect(withMetadata({ flagged_input: 7 }).isFlagged).toBe(false);
    expect(withMetadata({}).isFlagged).toBe(false);
  });

  it('is the message and, marked as nested, the code of the provider behind it', () => {
    const raw = (value: unknown) => withMetadata({ raw: JSON.stringify(value) });
    const nested = raw({ error: { message: 'Overloaded', type: 'Overloaded_Error' } });
    expect([nested.nestedMessage, [...nested.codes]]).toEqual(['Overloaded', ['nested:overloaded_error']]);
    expect([...raw({ error: { message: 'x', code: 'A', type: 'B' } }).codes]).toEqual(['nested:a']);
    expect([...raw({ message: 'no code' }).codes]).toEqual([]);
    expect(raw({ message: 'at the top' }).nestedMessage).toBe('at the top');
    expect(withMetadata({ raw: 7 }).nestedMessage).toBeUndefined();
  });

  it('may be a text, of which 4,096 characters are kept', () => {
    expect(withMetadata({ raw: 'not JSON' }).nestedMessage).toBe('not JSON');
    expect(withMetadata({ raw: 'x'.repeat(5_000) }).nestedMessage).toBe('x'.repeat(4_096));
  });

  it('is parsed up to 16,384 characters, and is a cut text beyond', () => {
    const ofLength = (length: number) => {
      const around = JSON.stringify({ message: 'short', pad: '' }).length;
      return JSON.stringify({ message: 'short', pad: 'x'.repeat(length - around) });
    };
    expect(withMetadata({ raw: ofLength(16_384) }).nestedMessage).toBe('short');
    const long = ofLength(16_385);
    expect(withMetadata({ raw: long }).nestedMessage).toBe(long.slice(0, 4_096));
  });

  it('are more codes: the type of the error and the source of a limit', () => {
    expect(withMetadata({ error_type: 'A', limit_source: 'Upstream' }).codes).toEqual(
      new Set(['a', 'upstream']),
    );
  });
});
