import type { Call } from '../call/call';
import type { Cost, CostEstimate } from '../quota/cost';
import { CERTAIN_SHARE, type ExceededLimit } from '../quota/limits';
import { boundOutput, exceededBy, type Quota } from '../quota/quota';
import type { TokensCharged } from '../quota/tokens-charged';

/** What an attempt of a call takes from the quotas at admission. */
export function attemptCost(
  { max, expected, maxShare, expectedShare }: CostEstimate,
  quotas: readonly Quota[],
  { mode, configured }: TokensCharged,
): Cost {
  // A generous max_tokens must not make a call exceed a limit unless the provider is sure to charge it.
  const isMax = configured === 'reserved' || (mode !== 'actual' && !exceededBy(quotas, max));
  return isMax ? boundOutput(quotas, max, maxShare) : boundOutput(quotas, expected, expectedShare);
}

/**
 * The limit that a call exceeds by its certain size alone: it can never be served as it is. Estimated prompts may be too
 * high, and max_tokens is certain only where the provider is known to charge it.
 */
export function certainlyExceeds(
  { promptTokens, maxOutputTokens = 0 }: Call,
  quotas: readonly Quota[],
  { configured }: TokensCharged,
): ExceededLimit | undefined {
  const output = configured === 'reserved' ? maxOutputTokens : 0;
  return exceededBy(quotas, { input: Math.ceil(CERTAIN_SHARE * promptTokens), output });
}
