import { classifyAnswer } from '../../lib/failure/classify-answer';
import { CONTEXT_WINDOW, INNOCENT, MODEL_MISSING, UNSEEN } from './fixtures/wordings';

const classOf = (status: number, message: string): string =>
  classifyAnswer({ status, headers: {}, body: JSON.stringify({ error: { message } }) }).class;

describe('an error message that says that the prompt exceeds the context window', () => {
  it.each(CONTEXT_WINDOW)('is classified as context_window: %s (%d): %s', (_provider, status, message) => {
    expect(classOf(status, message)).toBe('context_window');
  });
});

describe('an error message that says that the model does not exist', () => {
  it.each(MODEL_MISSING)('is classified as model_missing: %s (%d): %s', (_provider, status, message) => {
    expect(classOf(status, message)).toBe('model_missing');
  });
});

describe('an error message in a new wording', () => {
  it.each(UNSEEN)('is classified as %s (%d): %s', (expected, status, message) => {
    expect([expected].flat()).toContain(classOf(status, message));
  });
});

describe('an error message about a mistake of the caller', () => {
  it.each(INNOCENT)('is classified as bad_request: %s', (message) => {
    expect(classOf(400, message)).toBe('bad_request');
  });

  it('is tested with at least 100 examples', () => {
    expect(INNOCENT.length).toBeGreaterThanOrEqual(100);
  });
});
