import type { EndpointSettings } from '../../endpoint/endpoint-settings';
import type { QuotaLimits } from '../../quota/options';
import type { ModelDescription } from '../../simulator/physics';
import type { GroupLimits } from './engine/group-limit';
import type { ProviderOptions } from './engine/virtual-provider';

/** Those who take prompt + max_tokens from the quota at admission; the others charge what is used. */
const RESERVING_PROVIDERS = new Set(['openai', 'azure', 'groq']);
/** Those who send no x-ratelimit-* headers. */
const PROVIDERS_WITHOUT_LIMIT_HEADERS = new Set(['google', 'gemini', 'deepseek', 'ollama', 'openrouter']);

/** A typical call, for what an endpoint can bear: tokens charged, prompt and output. */
const TYPICAL_CALL = { tokens: 1500, prompt: 1000, output: 210 };
const HEADROOM = 1.45;
const MIN_COMFORTABLE_IN_FLIGHT = 4;

/** The upstream of an endpoint, as far as its configuration and the catalogue tell. */
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

/** The limits that a group of endpoints shares, on top of each one's own. */
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

/** Calls in flight that its limits allow with typical calls, and some; providers size their fleets by the limits they sell. */
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

/** The simulator knows one limit of tokens: input and output apart are taken together. */
function totalTpm({ tpm, inputTpm, outputTpm }: QuotaLimits): number | undefined {
  if (tpm !== undefined) return tpm;
  return inputTpm === undefined || outputTpm === undefined ? undefined : inputTpm + outputTpm;
}
