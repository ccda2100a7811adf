import type { RetryOption } from '../../lib/failover/retry-plan';

export const RETRY = {
  maxAttempts: 5,
  budgetRatio: 0.2,
  budgetPerSecond: 10,
  baseDelayMs: 250,
  maxDelayMs: 8_000,
};

/** An endpoint that can start the call at once, but for what `more` says. */
export const option = (name: string, more: Partial<RetryOption> = {}): RetryOption => ({
  name,
  startAt: 0,
  isBusy: false,
  serviceMs: 0,
  isFailing: false,
  ...more,
});
