/** Records at the provider when calls were admitted and how many tokens they really used. */
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
   * The smallest depth for which no window of any length t held more than depth + rate * t tokens.
   * @param perMinute Tokens per minute.
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

  /** Tokens used as a share of what the rate allows between the first and the last admission. */
  usedShare(perMinute: number): number {
    const first = this.#admitted[0];
    const last = this.#admitted.at(-1);
    if (!first || !last || last.at <= first.at) return Number.NaN;
    return this.tokens / ((perMinute / 60_000) * (last.at - first.at));
  }
}
