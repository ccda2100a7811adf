import type { EndpointSettings } from '../../endpoint/endpoint-settings';
import type { QuotaLimits } from '../../quota/options';
import type { ModelDescription } from '../../simulator/behavior';
import type { GroupLimits } from './engine/group-limit';
import type { ProviderOptions } from './engine/virtual-provider';

/** Providers that charge prompt + max_tokens to the quota at admission. The others charge actual usage. */
const RESERVING_PROVIDERS = new Set(['openai', 'azure', 'groq']);
/** Providers that send no x-ratelimit-* headers. */
const PROVIDERS_WITHOUT_LIMIT_HEADERS = new Set(['google', 'gemini', 'deepseek', 'ollama', 'openrouter']);

/**
 * A typical call, used to estimate the load an endpoint can carry. `tokens` is what the call takes from the endpoint's
 * token quota.
 */
const TYPICAL_CALL = { tokens: 1500, prompt: 1000, output: 210 };
const HEADROOM = 1.45;
const MIN_COMFORTABLE_IN_FLIGHT = 4;

/** Returns the simulated provider of an endpoint, based on its configuration and the model catalogue. */
export function upstreamOf(settings: EndpointSettings): ProviderOptions {
  const { limits, provider, profile, price, contextWindow, burstSeconds } = settings;
  const tpm = totalTpm(limits);
  const description: ModelDescription = {
    ...(limits.rpm === undefined ? {} : { rpm: limits.rpm }),
    ...(tpm === undefined ? {} : { tpm }),
    ttftMs: profile.latency.firstTokenMs,
    msPerPromptToken: profile.latency.msPerPromptToken,
    msPerOutputToken: profile.latency.msPerOutputToken,
    tokensCharged: resolveTokensCharged(settings),
    bucketSeconds: burstSeconds,
    sendsRateLimitHeaders: !PROVIDERS_WITHOUT_LIMIT_HEADERS.has(provider),
    ...(price === undefined ? {} : { price: { input: price.input, output: price.output } }),
    contextWindow,
  };
  const comfortableInFlight = estimateComfortableInFlight(description);
  return {
    name: settings.name,
    model: settings.model,
    description: comfortableInFlight === undefined ? description : { ...description, comfortableInFlight },
    ...(settings.quotaGroup === undefined ? {} : { group: settings.quotaGroup }),
  };
}

/** Returns the limits of a quota group, which apply in addition to those of its endpoints. */
export function groupLimitsOf(settings: EndpointSettings, limits: QuotaLimits): GroupLimits {
  const tpm = totalTpm(limits);
  return {
    ...(limits.rpm === undefined ? {} : { rpm: limits.rpm }),
    ...(tpm === undefined ? {} : { tpm }),
    tokensCharged: resolveTokensCharged(settings),
    bucketSeconds: settings.burstSeconds,
  };
}

function resolveTokensCharged({ tokensCharged, provider }: EndpointSettings): 'reserved' | 'actual' {
  if (tokensCharged !== 'auto') return tokensCharged;
  return RESERVING_PROVIDERS.has(provider) ? 'reserved' : 'actual';
}

/**
 * Estimates how many concurrent calls the provider serves without slowing down: as many typical calls as the limits
 * allow, plus headroom, because providers size their capacity by the limits that they sell.
 */
function estimateComfortableInFlight({
  rpm,
  tpm,
  ttftMs,
  msPerPromptToken,
  msPerOutputToken,
}: ModelDescription): number | undefined {
  const perSecond = Math.min((rpm ?? Infinity) / 60, (tpm ?? Infinity) / 60 / TYPICAL_CALL.tokens);
  if (perSecond === Infinity) return undefined;
  const ms =
    (ttftMs ?? 0) +
    TYPICAL_CALL.prompt * (msPerPromptToken ?? 0) +
    TYPICAL_CALL.output * (msPerOutputToken ?? 0);
  return Math.max(MIN_COMFORTABLE_IN_FLIGHT, (HEADROOM * perSecond * ms) / 1000);
}

/** Returns one token limit, the sum of separate input and output limits, because the simulator has only one. */
function totalTpm({ tpm, inputTpm, outputTpm }: QuotaLimits): number | undefined {
  if (tpm !== undefined) return tpm;
  return inputTpm === undefined || outputTpm === undefined ? undefined : inputTpm + outputTpm;
}
