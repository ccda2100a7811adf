import type { ModelProfile } from './model-description';
import { lognormal, type Random } from './random';

const FIRST_TOKEN_SPREAD = 0.3;
const PACE_SPREAD = 0.15;
const STRAGGLER_SHARE = 0.01;
const STRAGGLER_FACTOR = 6;

/** The factor by which a model is slower with `inFlight` other calls in flight: 1 when unloaded, at most 6. */
export function slowdown(profile: ModelProfile, inFlight: number): number {
  const beyond = (inFlight + 1) / profile.comfortableInFlight - 1;
  return 1 + 0.5 * Math.max(0, Math.min(10, beyond));
}

/** Milliseconds from arrival to the first token. One call in a hundred is a straggler. */
export function firstTokenMs(
  profile: ModelProfile,
  promptTokens: number,
  slow: number,
  random: Random,
): number {
  const straggler = random() < STRAGGLER_SHARE ? STRAGGLER_FACTOR : 1;
  const unloadedMs = profile.ttftMs + promptTokens * profile.msPerPromptToken;
  return unloadedMs * slow * lognormal(random, FIRST_TOKEN_SPREAD) * straggler;
}

/** Milliseconds from the first token to the last. */
export function generationMs(
  profile: ModelProfile,
  outputTokens: number,
  slow: number,
  random: Random,
): number {
  return outputTokens * profile.msPerOutputToken * slow * lognormal(random, PACE_SPREAD);
}
