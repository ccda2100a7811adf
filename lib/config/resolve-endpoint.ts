import type { EndpointSettings } from '../endpoint/endpoint-settings';
import { profileOf } from '../models/catalogue';
import { defaultBaseURL } from '../provider/dialects';
import type { QuotaLimits } from '../quota/options';
import { DEFAULTS } from './defaults';
import type { CheckedConfig } from './schema';

type CheckedEndpoint = CheckedConfig['endpoints'][number];

/** An endpoint with the defaults and the catalogue's figures filled in. */
export function resolveEndpoint(endpoint: CheckedEndpoint, config: CheckedConfig): EndpointSettings {
  const { profile } = profileOf(endpoint.model, omitUndefined(config.models));
  const provider = endpoint.provider ?? DEFAULTS.endpoint.provider;
  return Object.freeze({
    name: endpoint.name,
    model: endpoint.model,
    provider,
    baseURL: trimTrailingSlashes(endpoint.baseURL ?? defaultBaseURL(provider) ?? ''),
    apiKey: typeof endpoint.apiKey === 'string' ? endpoint.apiKey.trim() : endpoint.apiKey,
    aliases: Object.freeze(endpoint.aliases ?? []),
    weight: endpoint.weight ?? DEFAULTS.endpoint.weight,
    tier: endpoint.tier ?? DEFAULTS.endpoint.tier,
    limits: limitsOf(endpoint),
    maxConcurrent: endpoint.maxConcurrent ?? DEFAULTS.endpoint.maxConcurrent,
    burstSeconds: endpoint.burstSeconds ?? DEFAULTS.endpoint.burstSeconds,
    quotaGroup: endpoint.quotaGroup,
    tokensCharged: endpoint.tokensCharged ?? DEFAULTS.endpoint.tokensCharged,
    price: endpoint.price === undefined ? profile.price : Object.freeze(omitUndefined(endpoint.price)),
    contextWindow: endpoint.contextWindow ?? profile.contextWindow,
    capabilities: new Set(endpoint.capabilities ?? profile.capabilities),
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

/** The limits that are set; `tpm` as a pair becomes two limits. */
export function limitsOf(limits: Pick<CheckedEndpoint, 'rpm' | 'tpm' | 'rpd' | 'tpd'>): QuotaLimits {
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

/** The defaults, with those of the given values that are not undefined. */
export function withDefaults<T extends object>(
  defaults: T,
  given: { [K in keyof T]?: T[K] | undefined } = {},
): T {
  return { ...defaults, ...omitUndefined(given) };
}

/** The object without the options that are written down as undefined. */
export function omitUndefined<T extends object>(
  value: T | undefined,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  const defined = Object.entries(value ?? {}).filter(([, part]) => part !== undefined);
  return Object.fromEntries(defined) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function trimTrailingSlashes(url: string): string {
  let end = url.length;
  while (url[end - 1] === '/') end--;
  return url.slice(0, end);
}
