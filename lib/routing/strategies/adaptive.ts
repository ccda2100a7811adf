import type { Candidate, RoutedCall, Score, ScoredStrategy, ScoreWeights } from '../strategy';

/**
 * Standard deviation of the logarithm of actual / predicted time: PREDICTION_SIGMA at the endpoint's usual speed; per
 * e-fold of slowness, SLOWNESS_SIGMA is added in quadrature.
 */
const PREDICTION_SIGMA = 0.4;
const SLOWNESS_SIGMA = 0.2;
/** Time frame in milliseconds against which the expected time is judged, if the call has no earlier deadline. */
const HORIZON_MS = 60_000;
/**
 * Maximum random noise that is added to a score to break ties, so that many processes do not pick the same endpoint.
 */
const NOISE = 0.02;
const STEEPNESS = 3;
const MAX_STEEPNESS = Math.exp(STEEPNESS) - 1;

/**
 * The default strategy: picks the candidate with the lowest weighted sum of risks and costs, that is, the cheapest one
 * that is expected to answer in time. Terms and weights were found by measurements on real traces; docs/routing.md
 * explains each.
 */
export class Adaptive implements ScoredStrategy {
  readonly name = 'adaptive';
  readonly #weights: ScoreWeights;

  constructor(weights: ScoreWeights) {
    this.#weights = weights;
  }

  pick(call: RoutedCall, candidates: readonly Candidate[]): Candidate | undefined {
    return this.#least(call, candidates, NOISE);
  }

  best(call: RoutedCall, candidates: readonly Candidate[]): { candidate: Candidate; score: number } {
    const candidate = (this.#least(call, candidates, 0) ?? candidates[0]) as Candidate;
    return { candidate, score: this.#score(call, candidate, maxCostOf(candidates), horizon(call)) };
  }

  explain(call: RoutedCall, candidates: readonly Candidate[]): readonly Score[] {
    const maxCostUsd = maxCostOf(candidates);
    return candidates.map((candidate) => {
      const terms = this.#terms(call, candidate, maxCostUsd);
      return { score: Object.values(terms).reduce((sum, term) => sum + term, 0), terms };
    });
  }

  #least(call: RoutedCall, candidates: readonly Candidate[], noise: number): Candidate | undefined {
    const maxCostUsd = maxCostOf(candidates);
    const horizonMs = horizon(call);
    let best: Candidate | undefined;
    let least = Infinity;
    for (const candidate of candidates) {
      let score = this.#score(call, candidate, maxCostUsd, horizonMs);
      if (noise > 0) score += noise * Math.random();
      if (score >= least) continue;
      least = score;
      best = candidate;
    }
    return best;
  }

  /** The sum of the terms without allocating them, because it is computed for every candidate of every call. */
  #score(call: RoutedCall, candidate: Candidate, maxCostUsd: number, horizonMs: number): number {
    const weights = this.#weights;
    const lateness = candidate.expectedMs / horizonMs;
    let score =
      weights.deadline * missProbability(lateness, candidate.slowness) +
      weights.speed * lateness +
      weights.cost * costShare(candidate, maxCostUsd) +
      weights.scarcity * scarcity(candidate.usedShare) +
      weights.failure * candidate.failureShare -
      weights.quality * candidate.quality +
      weights.ramp * candidate.ramp -
      weights.affinity * candidate.cachedShare;
    if (candidate.weight !== 1) score -= weights.weight * Math.log(candidate.weight);
    if (call.triedProviders.size > 0 && call.triedProviders.has(candidate.provider))
      score += weights.triedProvider;
    if (candidate.strengths.includes(call.context.type)) score -= weights.type;
    return score;
  }

  #terms(call: RoutedCall, candidate: Candidate, maxCostUsd: number): Record<string, number> {
    const weights = this.#weights;
    const lateness = candidate.expectedMs / horizon(call);
    return {
      deadline: weights.deadline * missProbability(lateness, candidate.slowness),
      speed: weights.speed * lateness,
      cost: weights.cost * costShare(candidate, maxCostUsd),
      scarcity: weights.scarcity * scarcity(candidate.usedShare),
      failure: weights.failure * candidate.failureShare,
      quality: -weights.quality * candidate.quality,
      triedProvider: call.triedProviders.has(candidate.provider) ? weights.triedProvider : 0,
      ramp: weights.ramp * candidate.ramp,
      weight: -weights.weight * Math.log(candidate.weight),
      affinity: -weights.affinity * candidate.cachedShare,
      type: candidate.strengths.includes(call.context.type) ? -weights.type : 0,
    };
  }
}

function horizon(call: RoutedCall): number {
  return Math.max(1, Math.min(HORIZON_MS, call.remainingMs));
}

function maxCostOf(candidates: readonly Candidate[]): number {
  let maxCostUsd = 0;
  for (const { costUsd } of candidates)
    if (costUsd !== undefined && costUsd > maxCostUsd) maxCostUsd = costUsd;
  return maxCostUsd;
}

/** Price as a share of the highest, 0 to 1. An endpoint without a price counts as the most expensive. */
function costShare({ costUsd }: Candidate, maxCostUsd: number): number {
  if (maxCostUsd === 0) return 0;
  return (costUsd ?? maxCostUsd) / maxCostUsd;
}

/** Scarcity of the quota, 0 to 1: rises slowly while much is left and steeply towards the end. */
function scarcity(used: number): number {
  return (Math.exp(STEEPNESS * used) - 1) / MAX_STEEPNESS;
}

/** Probability of missing the deadline, for a log-normal service time around the prediction. */
function missProbability(lateness: number, slowness: number): number {
  const sigma =
    slowness > 1 ? Math.hypot(PREDICTION_SIGMA, SLOWNESS_SIGMA * Math.log(slowness)) : PREDICTION_SIGMA;
  return normalCdf(Math.log(lateness) / sigma);
}

/** The standard normal distribution function, accurate to 1e-7 (Abramowitz and Stegun, 26.2.17). */
function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const poly =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = 0.3989422804014327 * Math.exp((-x * x) / 2) * poly;
  return x >= 0 ? 1 - tail : tail;
}
