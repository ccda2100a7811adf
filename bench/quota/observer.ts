/** What an outside observer at the provider sees: when calls were admitted, and how many tokens they really took. */
export class Observer {
  readonly #admitted: { readonly at: number; readonly tokens: number }[] = [];

  admit(at: number, tokens: number): void {
    this.#admitted.push({ at, tokens });
  }

  get calls(): number {
    return this.#admitted.length;
  }

  get tokens(): number {
    return this.#admitted.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  /**
   * The least depth with which depth + rate * t was kept in every window: a bucket of that rate that never ran dry.
   * @param perMinute Tokens a minute.
   */
  depthNeeded(perMinute: number): number {
    const rate = perMinute / 60_000;
    let missing = 0;
    let deepest = 0;
    let before = -Infinity;
    for (const { at, tokens } of this.#admitted) {
      missing = Math.max(0, missing - (at - before) * rate) + tokens;
      deepest = Math.max(deepest, missing);
      before = at;
    }
    return deepest;
  }

  /** Tokens taken over those that the rate alone gave between the first admission and the last. */
  usedShare(perMinute: number): number {
    const first = this.#admitted[0];
    const last = this.#admitted.at(-1);
    if (!first || !last || last.at <= first.at) return Number.NaN;
    return this.tokens / ((perMinute / 60_000) * (last.at - first.at));
  }
}
