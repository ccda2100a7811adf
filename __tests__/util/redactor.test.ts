import fc from 'fast-check';
import { Redactor } from '../../lib/util/redactor';

const SECRET = 'k3y/with+special=chars&more';

function jsonEscaped(text: string): string {
  return Array.from(text)
    .map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

describe('Redactor', () => {
  it.each([
    ['as it is', SECRET],
    ['in upper case', SECRET.toUpperCase()],
    ['URL-encoded', encodeURIComponent(SECRET)],
    ['with every character as a JSON escape', jsonEscaped(SECRET)],
    ['with one character as a JSON escape', SECRET.replace('3', '\\u0033')],
    ['with an escaped slash', SECRET.replace('/', '\\/')],
    ['escaped for HTML', SECRET.replace('&', '&amp;').replace('=', '&#61;').replace('+', '&#x2b;')],
  ])('replaces a secret %s', (_, text) => {
    const redactor = new Redactor([SECRET]);
    expect(redactor.redact(`key ${text} is wrong, ${text}!`)).toBe('key [redacted] is wrong, [redacted]!');
  });

  it('replaces the part of a secret at the end of a truncated text', () => {
    expect(new Redactor([SECRET]).redact(`wrong key ${SECRET.slice(0, 9)}`)).toBe('wrong key [redacted]');
  });

  it('replaces the parts of a secret around a place that was redacted before', () => {
    const text = `wrong key ${SECRET.slice(0, 6)}[redacted]${SECRET.slice(-7)}.`;
    expect(new Redactor([SECRET]).redact(text)).toBe('wrong key [redacted][redacted][redacted].');
  });

  it.each([
    ['is no character', 'a&#1114112;b', 'a&#1114112;b'],
    ['is a part of the secret', 'key &#115;ecret-key-9', 'key [redacted]'],
    ['stands for another letter', '&lt;secret-key-8&GT;', '&lt;secret-key-8&GT;'],
  ])('reads an HTML escape that %s', (_what, text, redacted) => {
    expect(new Redactor(['secret-key-9']).redact(text)).toBe(redacted);
  });

  it('does not take other text after a redacted place for the end of a secret', () => {
    const redactor = new Redactor(['secret-key-9999']);
    expect(redactor.redact('[redacted]x9999 and more')).toBe('[redacted]x9999 and more');
    expect(redactor.redact('[redacted]9999.')).toBe('[redacted][redacted].');
  });

  it('remembers a resolved key once, even if it is configured as well', () => {
    const redactor = new Redactor(['secret-key-9']);
    redactor.addResolved('SECRET-KEY-9');
    redactor.addResolved('abc');
    expect(redactor.redact('secret-key-9 abc')).toBe('[redacted] abc');
  });

  it('replaces overlapping secrets completely', () => {
    expect(new Redactor(['abcdefghij', 'ghijklmnop']).redact('<abcdefghijklmnop>')).toBe('<[redacted]>');
  });

  it('replaces short secrets as whole words only, and none below 4 characters', () => {
    const redactor = new Redactor(['test', 'abc']);
    expect(redactor.redact('the test of the fastest abc')).toBe('the [redacted] of the fastest abc');
  });

  it('replaces keys that were resolved at runtime, and those of earlier configurations', () => {
    const redactor = new Redactor(['first-key-1']);
    redactor.configure(['second-key-2']);
    redactor.addResolved('third-key-3');
    expect(redactor.redact('first-key-1 second-key-2 third-key-3')).toBe('[redacted] [redacted] [redacted]');
  });

  it('leaves no secret in any text, and changes no text without one', () => {
    const secret = fc.string({ minLength: 8, maxLength: 40, unit: 'grapheme-ascii' });
    // A backslash before an escape would make it another text.
    const before = fc.string().map((text) => text.replace(/[\\%&]/g, ''));
    fc.assert(
      fc.property(secret, before, fc.string(), (key, start, end) => {
        const redactor = new Redactor([key]);
        for (const form of [key, jsonEscaped(key)]) {
          expect(redactor.redact(start + form + end)).not.toContain(form);
        }
        expect(new Redactor(['\u0001'.repeat(8)]).redact(start)).toBe(start);
      }),
    );
  });
});
