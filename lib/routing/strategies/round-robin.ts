import type { Candidate, Score, Strategy } from '../strategy';

/** Picks the candidate that was picked longest ago. */
export class RoundRobin implements Strategy {
  readonly name = 'round-robin';
  readonly #lastTurn = new Map<string, number>();
  #turn = 0;

  pick(_call: unknown, candidates: readonly Candidate[]): Candidate | undefined {
    let picked: Candidate | undefined;
    let longest = Infinity;
    for (const candidate of candidates) {
      const last = this.#lastTurn.get(candidate.name) ?? 0;
      if (last >= longest) continue;
      longest = last;
      picked = candidate;
    }
    if (picked) this.#lastTurn.set(picked.name, ++this.#turn);
    return picked;
  }

  explain(_call: unknown, candidates: readonly Candidate[]): readonly Score[] {
    return candidates.map(({ name }) => {
      const score = this.#lastTurn.get(name) ?? 0;
      return { score, terms: { lastTurn: score } };
    });
  }
}
