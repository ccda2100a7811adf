import type { Candidate, RoutedCall, Score, ScoredStrategy, ScoreWeights } from '../strategy';

/** Predictions miss by about so much, in log space. */
const PREDICTION_SIGMA = 0.4;
/** A call without a deadline is judged as if it had this one. */
const HORIZON_MS = 60_000;
/** Ties are broken at random, so that many processes don't all pick the same. */
const NOISE = 0.02;
const STEEPNESS = 3;
const MAX_STEEPNESS = Math.exp(STEEPNESS) - 1;

/**
 * The cheapest place that will answer in time: the least sum of what each thing that can go wrong or costs is worth.
 * The terms and their weights were found by measuring on real traces; docs/routing.md explains each.
 */
export class Adaptive implements ScoredStrategy {
  readonly name = 'adaptive';
  readonly #weights: ScoreWeights;
  readonly #random: () => number;

  constructor(weights: ScoreWeights, random: () => number = Math.random) {
    this.#weights = weights;
    this.#random = random;
  }

  pick(call: RoutedCall, candidates: readonly Candidate[]): Candidate | undefined {
    const maxCostUsd = maxCostOf(candidates);
    let best: Candidate | undefined;
    let least = Infinity;
    for (const candidate of candidates) {
      const score = this.#score(call, candidate, maxCostUsd) + NOISE * this.#random();
      if (score >= least) continue;
      least = score;
      best = candidate;
    }
    return best;
  }

  best(call: RoutedCall, candidates: readonly Candidate[]): { candidate: Candidate; score: number } {
    const maxCostUsd = maxCostOf(candidates);
    let best = candidates[0] as Candidate;
    let least = Infinity;
    for (const candidate of candidates) {
      const score = this.#score(call, candidate, maxCostUsd);
      if (score >= least) continue;
      least = score;
      best = candidate;
    }
    return { candidate: best, score: least };
  }

  explain(call: RoutedCall, candidates: readonly Candidate[]): readonly Score[] {
    const maxCostUsd = maxCostOf(candidates);
    return candidates.map((candidate) => {
      const terms = this.#terms(call, candidate, maxCostUsd);
      return { score: Object.values(terms).reduce((sum, term) => sum + term, 0), terms };
    });
  }

  /** The sum of the terms, without an object for them: it is worked out for every candidate of every call. */
  #score(call: RoutedCall, candidate: Candidate, maxCostUsd: number): number {
    const weights = this.#weights;
    const lateness = candidate.expectedMs / horizon(call);
    let score =
      weights.deadline * missProbability(lateness) +
      weights.speed * lateness +
      weights.cost * costShare(candidate, maxCostUsd) +
      weights.scarcity * scarcity(candidate.usedShare) +
      weights.failure * candidate.failureShare -
      weights.quality * candidate.quality +
      weights.ramp * candidate.ramp -
      weights.affinity * candidate.cachedShare;
    if (candidate.weight !== 1) score -= weights.weight * Math.log(candidate.weight);
    if (call.triedProviders.has(candidate.provider)) score += weights.triedProvider;
    return score;
  }

  #terms(call: RoutedCall, candidate: Candidate, maxCostUsd: number): Record<string, number> {
    const weights = this.#weights;
    const lateness = candidate.expectedMs / horizon(call);
    return {
      deadline: weights.deadline * missProbability(lateness),
      speed: weights.speed * lateness,
      cost: weights.cost * costShare(candidate, maxCostUsd),
      scarcity: weights.scarcity * scarcity(candidate.usedShare),
      failure: weights.failure * candidate.failureShare,
      quality: -weights.quality * candidate.quality,
      triedProvider: call.triedProviders.has(candidate.provider) ? weights.triedProvider : 0,
      ramp: weights.ramp * candidate.ramp,
      weight: -weights.weight * Math.log(candidate.weight),
      affinity: -weights.affinity * candidate.cachedShare,
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

/** 0 to 1; what costs an unknown amount counts as the dearest. */
function costShare({ costUsd }: Candidate, maxCostUsd: number): number {
  if (maxCostUsd === 0) return 0;
  return (costUsd ?? maxCostUsd) / maxCostUsd;
}

/** Rises slowly while there is plenty, steeply towards the end. */
function scarcity(used: number): number {
  return (Math.exp(STEEPNESS * used) - 1) / MAX_STEEPNESS;
}

/** The probability of missing the deadline, where the time taken is log-normal around the prediction. */
function missProbability(lateness: number): number {
  return normalCdf(Math.log(lateness) / PREDICTION_SIGMA);
}

/** The standard normal distribution function, to 1e-7 (Abramowitz and Stegun, 26.2.17). */
function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const poly =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = 0.3989422804014327 * Math.exp((-x * x) / 2) * poly;
  return x >= 0 ? 1 - tail : tail;
}
