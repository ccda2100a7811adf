import type { EndpointSettings } from '../../endpoint/endpoint-settings';
import type { QuotaLimits } from '../../quota/options';
import type { ModelDescription } from '../../simulator/physics';
import type { GroupLimits } from './machine/group-limit';
import type { ProviderOptions } from './machine/virtual-provider';

/** Those who take prompt + max_tokens from the quota at admission; the others charge what is used. */
const RESERVES = new Set(['openai', 'azure', 'groq']);
/** Those who send no x-ratelimit-* headers. */
const SILENT = new Set(['google', 'gemini', 'deepseek', 'ollama', 'openrouter']);

/** A typical call, for what an endpoint can bear: tokens charged, prompt and output. */
const TYPICAL = { tokens: 1500, prompt: 1000, output: 210 };
const HEADROOM = 1.45;
const LEAST_COMFORTABLE = 4;

/** The upstream of an endpoint, as far as its configuration and the catalogue tell. */
export function upstreamOf(settings: EndpointSettings): ProviderOptions {
  const { limits, provider, profile, price, contextWindow, burstSeconds } = settings;
  const tpm = tokensOf(limits);
  const description: ModelDescription = {
    ...(limits.rpm === undefined ? {} : { rpm: limits.rpm }),
    ...(tpm === undefined ? {} : { tpm }),
    ttftMs: profile.latency.firstTokenMs,
    msPerPromptToken: profile.latency.msPerPromptToken,
    msPerOutputToken: profile.latency.msPerOutputToken,
    tokensCharged: chargedBy(settings),
    bucketSeconds: burstSeconds,
    sendsRateLimitHeaders: !SILENT.has(provider),
    ...(price === undefined ? {} : { price: { input: price.input, output: price.output } }),
    contextWindow,
  };
  const comfortableInFlight = comfortable(description);
  return {
    name: settings.name,
    model: settings.model,
    description: comfortableInFlight === undefined ? description : { ...description, comfortableInFlight },
    ...(settings.quotaGroup === undefined ? {} : { group: settings.quotaGroup }),
  };
}

/** The limits that a group of endpoints shares, on top of each one's own. */
export function groupOf(settings: EndpointSettings, limits: QuotaLimits): GroupLimits {
  const tpm = tokensOf(limits);
  return {
    ...(limits.rpm === undefined ? {} : { rpm: limits.rpm }),
    ...(tpm === undefined ? {} : { tpm }),
    tokensCharged: chargedBy(settings),
    bucketSeconds: settings.burstSeconds,
  };
}

function chargedBy({ tokensCharged, provider }: EndpointSettings): 'reserved' | 'actual' {
  if (tokensCharged !== 'auto') return tokensCharged;
  return RESERVES.has(provider) ? 'reserved' : 'actual';
}

/** Calls in flight that its limits allow with typical calls, and some; providers size their fleets by the limits they sell. */
function comfortable({
  rpm,
  tpm,
  ttftMs,
  msPerPromptToken,
  msPerOutputToken,
}: ModelDescription): number | undefined {
  const perSecond = Math.min((rpm ?? Infinity) / 60, (tpm ?? Infinity) / 60 / TYPICAL.tokens);
  if (perSecond === Infinity) return undefined;
  const ms =
    (ttftMs ?? 0) + TYPICAL.prompt * (msPerPromptToken ?? 0) + TYPICAL.output * (msPerOutputToken ?? 0);
  return Math.max(LEAST_COMFORTABLE, (HEADROOM * perSecond * ms) / 1000);
}

/** The simulator knows one limit of tokens: input and output apart are taken together. */
function tokensOf({ tpm, inputTpm, outputTpm }: QuotaLimits): number | undefined {
  if (tpm !== undefined) return tpm;
  return inputTpm === undefined || outputTpm === undefined ? undefined : inputTpm + outputTpm;
}
