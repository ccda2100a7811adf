import {
  type FailureDetail,
  RESPONSE_TOO_LARGE,
  ruleFor,
  safeLabel,
  safeMessage,
} from '../../lib/failure/detail';
import { headerText, headerValue } from '../../lib/failure/http-answer';

const PAIR = '\u{1f600}';

describe('A message that is safe to log', () => {
  it('has at most 1,000 characters, without white space around it', () => {
    expect(safeMessage('x '.repeat(500).trim())).toBe('x '.repeat(500).trim());
    expect(safeMessage('y '.repeat(500))).toHaveLength(999);
    expect(safeMessage(`  ${'z '.repeat(501)}`)).toHaveLength(1_000);
    expect(safeMessage(' \n ')).toBe('');
  });

  it('is searched for keys in its first 4,096 characters, of which more than 1,000 may be keys', () => {
    const key = `sk-${'a'.repeat(2_000)}`;
    expect(safeMessage(`${key} after`)).toBe('[redacted] after');
    const words = ' '.repeat(4_090);
    expect(safeMessage(`first${words}second`)).toBe('first' + ' '.repeat(995));
    expect(safeMessage(`${' '.repeat(4_092)}text`)).toBe('text');
    expect(safeMessage(`${' '.repeat(4_093)}text`)).toBe('tex');
  });

  it('is not cut within a character of two code units', () => {
    const before = 'w '.repeat(500).slice(0, 999);
    expect(safeMessage(`${before}${PAIR} end`)).toBe(before);
    expect(safeMessage(`v${before.slice(2)}${PAIR} end`)).toBe(`v${before.slice(2)}${PAIR}`);
    // The first and the last of the code units that begin such a character.
    expect(safeMessage(`${before}\u{10000} end`)).toBe(before);
    expect(safeMessage(`${before}\u{10fc00} end`)).toBe(before);
    expect(safeMessage(`${before}\ud7ff end`)).toBe(`${before}\ud7ff`);
    expect(safeMessage(`${before}\ue000 end`)).toBe(`${before}\ue000`);
  });
});

describe('A label that is safe to log', () => {
  it('has at most 100 characters and no key', () => {
    expect(safeLabel('l.'.repeat(50))).toBe('l.'.repeat(50));
    expect(safeLabel('l.'.repeat(51))).toBe('l.'.repeat(50));
    expect(safeLabel('sk-abcdefghijkl')).toBe('[redacted]');
  });

  it('is undefined for an empty one', () => {
    expect(safeLabel('')).toBeUndefined();
    expect(safeLabel(undefined)).toBeUndefined();
  });
});

describe('x-should-retry', () => {
  const rule = (fields: Partial<FailureDetail>) =>
    ruleFor({ class: 'server', message: '', ...fields }).sameEndpoint;

  it('false rules out the same endpoint, and true allows it', () => {
    expect(rule({})).toBe('with-backoff');
    expect(rule({ shouldRetry: false })).toBe('never');
    expect(rule({ class: 'bad_request' })).toBe('never');
    expect(rule({ class: 'bad_request', shouldRetry: true })).toBe('with-backoff');
    expect(rule({ class: 'rate_limited', shouldRetry: true })).toBe(rule({ class: 'rate_limited' }));
    expect(rule({ class: 'bad_request', shouldRetry: false })).toBe('never');
  });

  it('changes nothing for an aborted call, nor for an answer that is too large', () => {
    expect(ruleFor({ class: 'aborted', message: '', shouldRetry: true })).toBe(
      ruleFor({ class: 'aborted', message: '' }),
    );
    const tooLarge = { class: 'bad_answer', code: RESPONSE_TOO_LARGE, message: '' } as const;
    expect(ruleFor({ ...tooLarge, shouldRetry: true })).toEqual(ruleFor(tooLarge));
  });

  it('leaves the rule of the class itself alone', () => {
    const plain = ruleFor({ class: 'server', message: '' });
    ruleFor({ class: 'server', message: '', shouldRetry: false });
    expect(ruleFor({ class: 'server', message: '', shouldRetry: true })).toBe(plain);
  });
});

describe('The value of a header', () => {
  it.each([
    [{ 'retry-after': ' 3 ' }, '3'],
    [{ 'Retry-After': '4' }, '4'],
    [{ 'retry-afterx': '5' }, undefined],
    [{ 'xetry-after': '6' }, undefined],
    [{ 'x-other': '7' }, undefined],
    [{ 'retry-after': ['8', '9'] }, '8'],
    [{ 'retry-after': '' }, undefined],
    [{ 'retry-after': '  ' }, undefined],
    [{ 'retry-after': undefined }, undefined],
    [{}, undefined],
  ])('of %j is %j', (headers, value) => {
    expect(headerValue(headers, 'retry-after')).toBe(value);
  });

  it('is not read from the prototype', () => {
    expect(headerValue({}, 'constructor')).toBeUndefined();
  });

  it('may be a number, and has at most 2,048 characters', () => {
    expect(headerText(7)).toBe('7');
    expect(headerText('v'.repeat(2_048))).toBe('v'.repeat(2_048));
    expect(headerText('v'.repeat(2_049))).toBeUndefined();
    expect(headerText({})).toBeUndefined();
    expect(headerText(undefined)).toBeUndefined();
    expect(headerText(null)).toBeUndefined();
  });
});
