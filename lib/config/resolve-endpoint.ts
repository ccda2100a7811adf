import type { SpendLimits } from '../budget/options';
import type { EndpointSettings } from '../endpoint/endpoint-settings';
import { profileOf } from '../models/catalogue';
import type { ModelProfile } from '../models/profile';
import { defaultBaseURL } from '../provider/dialects';
import { hasResponsesApi } from '../provider/responses-api';
import type { QuotaLimits } from '../quota/options';
import { omitUndefined, withDefaults } from '../util/defaults';
import { DEFAULTS } from './defaults';
import type { CheckedConfig } from './schema';

type CheckedEndpoint = CheckedConfig['endpoints'][number];

/** Returns an endpoint's settings with the defaults and the catalogue's values filled in. */
export function resolveEndpoint(endpoint: CheckedEndpoint, config: CheckedConfig): EndpointSettings {
  const { profile } = profileOf(endpoint.model, omitUndefined(config.models));
  const provider = endpoint.provider ?? DEFAULTS.endpoint.provider;
  const baseURL = trimTrailingSlashes(endpoint.baseURL ?? defaultBaseURL(provider) ?? '');
  return Object.freeze({
    name: endpoint.name,
    model: endpoint.model,
    provider,
    baseURL,
    apiKey: typeof endpoint.apiKey === 'string' ? endpoint.apiKey.trim() : endpoint.apiKey,
    deployment: endpoint.deployment, // terms-ok: Azure's word
    apiVersion: endpoint.apiVersion,
    aliases: Object.freeze(endpoint.aliases ?? []),
    weight: endpoint.weight ?? DEFAULTS.endpoint.weight,
    tier: endpoint.tier ?? DEFAULTS.endpoint.tier,
    limits: limitsOf(endpoint),
    spendLimits: spendLimitsOf(endpoint),
    maxConcurrent: endpoint.maxConcurrent ?? DEFAULTS.endpoint.maxConcurrent,
    burstSeconds: endpoint.burstSeconds ?? DEFAULTS.endpoint.burstSeconds,
    quotaGroup: endpoint.quotaGroup,
    tokensCharged: endpoint.tokensCharged ?? DEFAULTS.endpoint.tokensCharged,
    price: endpoint.price === undefined ? profile.price : Object.freeze(omitUndefined(endpoint.price)),
    contextWindow: endpoint.contextWindow ?? profile.contextWindow,
    maxOutputTokens: endpoint.maxOutputTokens ?? profile.maxOutputTokens,
    capabilities: new Set(endpoint.capabilities ?? defaultCapabilities(profile, provider, baseURL)),
    quality: endpoint.quality ?? profile.quality,
    strengths: Object.freeze(endpoint.strengths ?? [...profile.strengths]),
    tags: new Set(endpoint.tags),
    streamUsage: endpoint.streamUsage ?? DEFAULTS.endpoint.streamUsage,
    prefill: endpoint.prefill ?? DEFAULTS.endpoint.prefill,
    headers: Object.freeze(endpoint.headers ?? {}),
    timeouts: Object.freeze(
      withDefaults(withDefaults(DEFAULTS.timeouts, config.timeouts), endpoint.timeouts),
    ),
    profile,
  });
}

/** Returns the limits in US dollars that are set. */
export function spendLimitsOf({
  usdPerHour,
  usdPerDay,
  usdPerMonth,
}: Pick<CheckedEndpoint, keyof SpendLimits>): SpendLimits {
  return Object.freeze(omitUndefined({ usdPerHour, usdPerDay, usdPerMonth }));
}

function defaultCapabilities(
  { capabilities }: ModelProfile,
  provider: string,
  baseURL: string,
): readonly string[] {
  const isNative = capabilities.includes('chat') && hasResponsesApi(provider, baseURL);
  return isNative ? [...capabilities, 'responses'] : capabilities;
}

/** Returns the quota limits that are set. `tpm` with separate input and output becomes two limits. */
function limitsOf(limits: Pick<CheckedEndpoint, 'rpm' | 'tpm' | 'rpd' | 'tpd'>): QuotaLimits {
  const tpm = typeof limits.tpm === 'object' ? limits.tpm : undefined;
  return Object.freeze(
    omitUndefined({
      rpm: limits.rpm,
      tpm: typeof limits.tpm === 'number' ? limits.tpm : undefined,
      inputTpm: tpm?.input,
      outputTpm: tpm?.output,
      rpd: limits.rpd,
      tpd: limits.tpd,
    }),
  );
}

/**
 * Returns the limits of every quota group in use. A group without a configuration gets the lowest limits of its
 * endpoints, because they share one account.
 */
export function resolveQuotaGroups(
  configured: CheckedConfig['quotaGroups'],
  endpoints: readonly EndpointSettings[],
): Map<string, QuotaLimits> {
  const groups = new Map<string, QuotaLimits>();
  for (const { quotaGroup, limits } of endpoints) {
    if (quotaGroup === undefined) continue;
    const own = configured && Object.hasOwn(configured, quotaGroup) ? configured[quotaGroup] : undefined;
    const hasQuota = own?.rpm !== undefined || own?.tpm !== undefined;
    groups.set(
      quotaGroup,
      own && hasQuota ? limitsOf(own) : lowestLimits(groups.get(quotaGroup) ?? {}, limits),
    );
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

function trimTrailingSlashes(url: string): string {
  let end = url.length;
  while (url[end - 1] === '/') end--;
  return url.slice(0, end);
}
