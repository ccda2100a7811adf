import type { Candidate, Score, Strategy } from '../strategy';

type Figure = (candidate: Candidate) => number;

/**
 * Picks the candidate with the lowest figure; among equals, the one with the lowest second figure, and then one at
 * random.
 */
class Least implements Strategy {
  constructor(
    readonly name: string,
    private readonly term: string,
    private readonly figure: Figure,
    private readonly second: Figure = () => 0,
  ) {}

  pick(_call: unknown, candidates: readonly Candidate[]): Candidate | undefined {
    const { figure, second } = this;
    let best: Candidate | undefined;
    let equals = 0;
    for (const candidate of candidates) {
      const order =
        best === undefined ? -1 : figure(candidate) - figure(best) || second(candidate) - second(best);
      if (order > 0) continue;
      equals = order < 0 ? 1 : equals + 1;
      if (order < 0 || Math.random() * equals < 1) best = candidate;
    }
    return best;
  }

  explain(_call: unknown, candidates: readonly Candidate[]): readonly Score[] {
    return candidates.map((candidate) => {
      const score = this.figure(candidate);
      return { score, terms: { [this.term]: score } };
    });
  }
}

/** Picks the candidate with the fewest calls in flight relative to its weight. */
export function leastBusy(): Strategy {
  return new Least('least-busy', 'busyness', ({ inFlight, weight }) => (inFlight + 1) / weight);
}

/**
 * Picks the candidate with the lowest estimated price; among equals, the fastest. Endpoints without a price come last.
 */
export function lowestCost(): Strategy {
  // An unknown price is a large finite number, because the difference of two infinities is NaN.
  const cost: Figure = ({ costUsd }) => costUsd ?? Number.MAX_VALUE;
  return new Least('lowest-cost', 'costUsd', cost, ({ expectedMs }) => expectedMs);
}

/**
 * Picks two candidates at random and uses the one with the lower product of recent latency and calls in flight: Peak
 * EWMA with the power of two choices. Always picking the lowest of all would cause a herd effect.
 */
export class LowestLatency extends Least {
  constructor() {
    super('lowest-latency', 'load', load);
  }

  override pick(call: unknown, candidates: readonly Candidate[]): Candidate | undefined {
    if (candidates.length < 2) return candidates[0];
    const a = Math.floor(Math.random() * candidates.length);
    const b = (a + 1 + Math.floor(Math.random() * (candidates.length - 1))) % candidates.length;
    return super.pick(call, [candidates[a] as Candidate, candidates[b] as Candidate]);
  }
}

/**
 * Recent latency times calls in flight, relative to the weight. Before the endpoint's first answer, the latency
 * predicted from its profile is used.
 */
function load({ peakMs, expectedMs, inFlight, weight }: Candidate): number {
  return ((peakMs || expectedMs) * (inFlight + 1)) / weight;
}
