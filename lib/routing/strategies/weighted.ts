import type { Candidate, Score, Strategy } from '../strategy';

/**
 * Smooth weighted round robin, as in nginx: each pick raises the counter of every candidate by its weight and lowers
 * the winner's by the sum of the weights. The shares are exact over a full round, and the turns of a heavy endpoint are
 * spread evenly.
 */
export class Weighted implements Strategy {
  readonly name = 'weighted';
  readonly #current = new Map<string, number>();

  pick(_call: unknown, candidates: readonly Candidate[]): Candidate | undefined {
    let best: Candidate | undefined;
    let bestCurrent = -Infinity;
    let sum = 0;
    for (const candidate of candidates) {
      const current = (this.#current.get(candidate.name) ?? 0) + candidate.weight;
      this.#current.set(candidate.name, current);
      sum += candidate.weight;
      if (current > bestCurrent) {
        best = candidate;
        bestCurrent = current;
      }
    }
    if (best) this.#current.set(best.name, bestCurrent - sum);
    return best;
  }

  explain(_call: unknown, candidates: readonly Candidate[]): readonly Score[] {
    return candidates.map(({ name, weight }) => {
      const score = -((this.#current.get(name) ?? 0) + weight);
      return { score, terms: { turn: score } };
    });
  }
}
