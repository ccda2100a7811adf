/** A mistake in the user's input, shown without a stack trace. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
