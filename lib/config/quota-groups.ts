import type { EndpointSettings } from '../endpoint/endpoint-settings';
import type { QuotaLimits } from '../quota/options';
import { limitsOf } from './resolve-endpoint';
import type { CheckedConfig } from './schema';

/**
 * The limits of every quota group in use. A group without an entry of its own has the least of its endpoints' limits:
 * they share one account, and the account has no more than the smallest figure anyone wrote down.
 */
export function resolveQuotaGroups(
  given: CheckedConfig['quotaGroups'],
  endpoints: readonly EndpointSettings[],
): Map<string, QuotaLimits> {
  const groups = new Map<string, QuotaLimits>();
  for (const { quotaGroup, limits } of endpoints) {
    if (quotaGroup === undefined) continue;
    const own = given && Object.hasOwn(given, quotaGroup) ? given[quotaGroup] : undefined;
    groups.set(quotaGroup, own ? limitsOf(own) : lowestLimits(groups.get(quotaGroup) ?? {}, limits));
  }
  return groups;
}

function lowestLimits(a: QuotaLimits, b: QuotaLimits): QuotaLimits {
  const result: Record<string, number> = { ...a };
  for (const [limit, value] of Object.entries(b) as [string, number][]) {
    result[limit] = Math.min(result[limit] ?? Infinity, value);
  }
  return Object.freeze(result);
}
