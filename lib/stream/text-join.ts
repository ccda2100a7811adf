/** An answer that goes on repeats at most so much of the text before it, in UTF-16 code units. */
const MAX_OVERLAP = 1_000;
/** A repetition of this length is none by chance; a shorter one counts only where it repeats a word from its start. */
const SURE_OVERLAP = 8;
/** One that begins like the text before it begins anew. Where a new sentence might begin as well, more must agree. */
const ANEW = 8;
const SURELY_ANEW = 24;

const WORD = /[\p{L}\p{N}_]$/u;
const TWO_LETTERS = /\p{L}\p{M}*\p{L}/u;
const STARTS_A_WORD = /^\p{L}\p{M}*\p{L}/u;

/** How a second text follows the first: its first so many characters repeat the end of it; or it begins anew. */
export type Joint = { readonly kind: 'goes-on'; readonly repeated: number } | { readonly kind: 'anew' };

/**
 * Finds where a text that arrives in pieces goes on from another: by the longest end of the first that is a beginning of
 * the second. A single letter or sign that both share is not taken for a repetition: "hel" and "lo" are "hello".
 */
export class TextJoin {
  readonly #before: string;
  readonly #tail: string;
  #held = '';

  constructor(before: string) {
    this.#before = before;
    this.#tail = before.slice(-MAX_OVERLAP);
  }

  /** Takes the next piece; undefined while what follows could still make a difference. */
  add(piece: string): Joint | undefined {
    this.#held += piece;
    return this.#mayRepeatMore() || this.#mayBeginAnew() ? undefined : this.end();
  }

  /** No more comes that could make a difference. */
  end(): Joint {
    const held = this.#held;
    for (let length = Math.min(held.length, this.#tail.length); length >= 2; length--) {
      if (this.#tail.endsWith(held.slice(0, length)) && this.#isRepetition(length)) {
        return { kind: 'goes-on', repeated: length };
      }
    }
    return this.#beginsAnew() ? { kind: 'anew' } : { kind: 'goes-on', repeated: 0 };
  }

  #mayRepeatMore(): boolean {
    const at = this.#tail.indexOf(this.#held);
    return at !== -1 && at + this.#held.length < this.#tail.length;
  }

  #mayBeginAnew(): boolean {
    return this.#held.length < SURELY_ANEW && this.#before.startsWith(this.#held);
  }

  #isRepetition(length: number): boolean {
    const repeated = this.#held.slice(0, length);
    if (length >= SURE_OVERLAP) return TWO_LETTERS.test(repeated);
    return STARTS_A_WORD.test(repeated) && !WORD.test(this.#before.slice(0, -length).slice(-2));
  }

  #beginsAnew(): boolean {
    const most = Math.min(this.#held.length, this.#before.length, SURELY_ANEW);
    let same = 0;
    while (same < most && this.#held[same] === this.#before[same]) same++;
    // After a space a sentence may begin like the first one; without it, words would be glued together.
    return same >= (/\s$/.test(this.#before) ? SURELY_ANEW : ANEW);
  }
}
