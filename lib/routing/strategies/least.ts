import type { Candidate, Score, Strategy } from '../strategy';

/** The candidate with the lowest first value, then the lowest second value; ties are broken at random. */
function least(
  candidates: readonly Candidate[],
  first: (candidate: Candidate) => number,
  second: (candidate: Candidate) => number,
  random: () => number,
): Candidate | undefined {
  let best: Candidate | undefined;
  let equals = 0;
  for (const candidate of candidates) {
    const order =
      best === undefined ? -1 : first(candidate) - first(best) || second(candidate) - second(best);
    if (order > 0) continue;
    equals = order < 0 ? 1 : equals + 1;
    if (order < 0 || random() * equals < 1) best = candidate;
  }
  return best;
}

/** Picks the candidate with the fewest calls in flight relative to its weight. */
export class LeastBusy implements Strategy {
  readonly name = 'least-busy';

  constructor(private readonly random: () => number = Math.random) {}

  pick(_call: unknown, candidates: readonly Candidate[]): Candidate | undefined {
    return least(candidates, busyness, () => 0, this.random);
  }

  explain(_call: unknown, candidates: readonly Candidate[]): readonly Score[] {
    return candidates.map((candidate) => scoreOf('busyness', busyness(candidate)));
  }
}

/** Picks the lowest estimated price, then the fastest. Endpoints without a price come last. */
export class LowestCost implements Strategy {
  readonly name = 'lowest-cost';

  constructor(private readonly random: () => number = Math.random) {}

  pick(_call: unknown, candidates: readonly Candidate[]): Candidate | undefined {
    return least(candidates, cost, ({ expectedMs }) => expectedMs, this.random);
  }

  explain(_call: unknown, candidates: readonly Candidate[]): readonly Score[] {
    return candidates.map((candidate) => scoreOf('costUsd', cost(candidate)));
  }
}

/**
 * Picks two candidates at random and takes the one with the lower product of recent latency and calls in flight: Peak
 * EWMA with the power of two choices, which avoids the herd effect of always picking the lowest.
 */
export class LowestLatency implements Strategy {
  readonly name = 'lowest-latency';

  constructor(private readonly random: () => number = Math.random) {}

  pick(_call: unknown, candidates: readonly Candidate[]): Candidate | undefined {
    if (candidates.length < 2) return candidates[0];
    const a = Math.floor(this.random() * candidates.length);
    const b = (a + 1 + Math.floor(this.random() * (candidates.length - 1))) % candidates.length;
    const pair = [candidates[a], candidates[b]].filter((candidate) => candidate !== undefined);
    return least(pair, load, () => 0, this.random);
  }

  explain(_call: unknown, candidates: readonly Candidate[]): readonly Score[] {
    return candidates.map((candidate) => scoreOf('load', load(candidate)));
  }
}

function scoreOf(term: string, score: number): Score {
  return { score, terms: { [term]: score } };
}

function busyness({ inFlight, weight }: Candidate): number {
  return (inFlight + 1) / weight;
}

/** An unknown price is a large finite number, because the difference of two infinities is NaN. */
function cost({ costUsd }: Candidate): number {
  return costUsd ?? Number.MAX_VALUE;
}

/** Before the first answer of an endpoint, the latency predicted from its profile is used. */
function load({ peakMs, expectedMs, inFlight, weight }: Candidate): number {
  return ((peakMs || expectedMs) * (inFlight + 1)) / weight;
}
