import type { Candidate, Score, Strategy } from '../strategy';

/** The least by a value, then by a second; of equals, one at random. */
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

/** The fewest calls in flight, for its weight. */
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

/** The least estimated cost; of equals, the fastest. What costs an unknown amount comes last. */
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
 * Of two at random, the one with the less recent latency times calls in flight: Peak EWMA with the power of two
 * choices, which doesn't herd as picking the very least does.
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

/** A finite stand-in for an unknown cost: the difference of two infinities is no order. */
function cost({ costUsd }: Candidate): number {
  return costUsd ?? Number.MAX_VALUE;
}

/** Before its first answer an endpoint counts as fast as its profile says. */
function load({ peakMs, expectedMs, inFlight, weight }: Candidate): number {
  return ((peakMs || expectedMs) * (inFlight + 1)) / weight;
}
