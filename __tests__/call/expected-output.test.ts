import fc from 'fast-check';
import { ExpectedOutput } from '../../lib/call/tokens';

describe('ExpectedOutput', () => {
  it('expects 300 tokens before anything is learned, and never more than the caller allows', () => {
    const output = new ExpectedOutput();
    expect(output.expect('gpt-4o', undefined)).toBe(300);
    expect(output.expect('gpt-4o', 'anna', 120)).toBe(120);
  });

  it("learns per model and tenant, and gives a new tenant the model's estimate, in which all tenants count equally", () => {
    const output = new ExpectedOutput();
    for (let call = 0; call < 50; call++) output.learn('gpt-4o', 'short', 20);
    for (let call = 0; call < 50; call++) output.learn('gpt-4o', 'long', 2000);
    expect(output.expect('gpt-4o', 'short')).toBe(20);
    expect(output.expect('gpt-4o', 'long')).toBe(2000);
    for (let call = 0; call < 1_000; call++) output.learn('gpt-4o', 'long', 2000);
    const expected = output.expect('gpt-4o', 'new');
    expect(expected).toBeGreaterThan(100);
    expect(expected).toBeLessThan(1_000);
    expect(output.expect('gpt-4o-mini', 'long')).toBe(300);
  });

  it('follows a change of the output length', () => {
    const output = new ExpectedOutput();
    for (let call = 0; call < 200; call++) output.learn('m', undefined, 100);
    for (let call = 0; call < 60; call++) output.learn('m', undefined, 500);
    expect(output.expect('m', undefined)).toBeGreaterThan(450);
  });

  it('keeps the tenants in use and drops the least recently used', () => {
    const output = new ExpectedOutput();
    output.learn('m', 'kept', 7);
    for (let tenant = 0; tenant < 12_000; tenant++) {
      output.learn('m', `t${tenant}`, 1000);
      output.expect('m', 'kept');
    }
    expect(output.expect('m', 'kept')).toBe(7);
  });

  it('expects between 1 and about the largest output that it has seen, and never NaN', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double(), { maxLength: 50 }),
        fc.option(fc.nat(), { nil: undefined }),
        (seen, most) => {
          const output = new ExpectedOutput();
          for (const tokens of seen) output.learn('m', 't', tokens);
          const counts = seen.filter((tokens) => Number.isFinite(tokens) && tokens >= 0);
          const expected = output.expect('m', 't', most);
          expect(expected).not.toBeNaN();
          expect(expected).toBeLessThanOrEqual(
            Math.min(
              most ?? Infinity,
              Math.max(1, ...counts.map((n) => Math.ceil(n * Math.exp(0.75))), counts.length ? 1 : 300),
            ),
          );
          if (most === undefined) expect(expected).toBeGreaterThanOrEqual(1);
        },
      ),
    );
  });
});
