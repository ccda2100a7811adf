import { classifyAnswer } from '../../lib/failure/classify-answer';
import { CONTEXT_WINDOW, INNOCENT, MODEL_MISSING, UNSEEN } from './fixtures/wordings';

const classOf = (status: number, message: string): string =>
  classifyAnswer({ status, headers: {}, body: JSON.stringify({ error: { message } }) }).class;

describe('a provider says that the prompt exceeds the context window', () => {
  it.each(CONTEXT_WINDOW)('%s (%d): %s', (_provider, status, message) => {
    expect(classOf(status, message)).toBe('context_window');
  });
});

describe('a provider says that it does not have the model', () => {
  it.each(MODEL_MISSING)('%s (%d): %s', (_provider, status, message) => {
    expect(classOf(status, message)).toBe('model_missing');
  });
});

describe('an unknown wording of a known kind', () => {
  it.each(UNSEEN)('is %s (%d): %s', (expected, status, message) => {
    expect([expected].flat()).toContain(classOf(status, message));
  });
});

describe("a message about the caller's own mistake", () => {
  it.each(INNOCENT)('is bad_request: %s', (message) => {
    expect(classOf(400, message)).toBe('bad_request');
  });

  it('is one of at least 100', () => {
    expect(INNOCENT.length).toBeGreaterThanOrEqual(100);
  });
});
