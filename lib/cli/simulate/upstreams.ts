import type { EndpointSettings } from '../../endpoint/endpoint-settings';
import type { QuotaLimits } from '../../quota/options';
import type { ModelDescription } from '../../simulator/behavior';
import type { GroupLimits } from './engine/group-limit';
import type { ProviderOptions } from './engine/virtual-provider';

/** Providers that take prompt + max_tokens from the quota at admission. The others count actual usage. */
const RESERVING_PROVIDERS = new Set(['openai', 'azure', 'groq']);
/** Providers that send no x-ratelimit-* headers. */
const PROVIDERS_WITHOUT_LIMIT_HEADERS = new Set(['google', 'gemini', 'deepseek', 'ollama', 'openrouter']);

/** A typical call, used to estimate the load an endpoint can carry. `tokens` is what counts against its quota. */
const TYPICAL_CALL = { tokens: 1500, prompt: 1000, output: 210 };
const HEADROOM = 1.45;
const MIN_COMFORTABLE_IN_FLIGHT = 4;

/** The simulated provider of an endpoint, from its configuration and the model catalogue. */
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

/** The limits of a quota group, in addition to those of its endpoints. */
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

/** Number of typical calls in flight that the limits allow, plus headroom: providers size their capacity by the limits they sell. */
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

/** The simulator has a single token limit, so separate input and output limits are added up. */
function totalTpm({ tpm, inputTpm, outputTpm }: QuotaLimits): number | undefined {
  if (tpm !== undefined) return tpm;
  return inputTpm === undefined || outputTpm === undefined ? undefined : inputTpm + outputTpm;
}
