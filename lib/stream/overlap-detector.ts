/** An answer that goes on repeats at most so much of the text before it, in UTF-16 code units. */
const MAX_OVERLAP = 1_000;
/** A repetition of this length is none by chance; a shorter one counts only where it repeats a word from its start. */
const MIN_SURE_OVERLAP = 8;
/** One that begins like the text before it begins anew. Where a new sentence might begin as well, more must agree. */
const MIN_RESTART_MATCH = 8;
const SURE_RESTART_MATCH = 24;

const WORD = /[\p{L}\p{N}_]$/u;
const TWO_LETTERS = /\p{L}\p{M}*\p{L}/u;
const STARTS_A_WORD = /^\p{L}\p{M}*\p{L}/u;

/** How a second text follows the first: its first so many characters repeat the end of it; or it begins anew. */
export type OverlapResult =
  | { readonly kind: 'goes-on'; readonly repeated: number }
  | { readonly kind: 'anew' };

/**
 * Finds where a text that arrives in pieces goes on from another: by the longest end of the first that is a beginning of
 * the second. A single letter or sign that both share is not taken for a repetition: "hel" and "lo" are "hello".
 */
export class OverlapDetector {
  readonly #before: string;
  readonly #tail: string;
  #buffered = '';

  constructor(before: string) {
    this.#before = before;
    this.#tail = before.slice(-MAX_OVERLAP);
  }

  /** Takes the next piece; undefined while what follows could still make a difference. */
  add(piece: string): OverlapResult | undefined {
    this.#buffered += piece;
    return this.#mayRepeatMore() || this.#mayBeRestart() ? undefined : this.end();
  }

  /** No more comes that could make a difference. */
  end(): OverlapResult {
    const buffered = this.#buffered;
    for (let length = Math.min(buffered.length, this.#tail.length); length >= 2; length--) {
      if (this.#tail.endsWith(buffered.slice(0, length)) && this.#isRepetition(length)) {
        return { kind: 'goes-on', repeated: length };
      }
    }
    return this.#isRestart() ? { kind: 'anew' } : { kind: 'goes-on', repeated: 0 };
  }

  #mayRepeatMore(): boolean {
    const at = this.#tail.indexOf(this.#buffered);
    return at !== -1 && at + this.#buffered.length < this.#tail.length;
  }

  #mayBeRestart(): boolean {
    return this.#buffered.length < SURE_RESTART_MATCH && this.#before.startsWith(this.#buffered);
  }

  #isRepetition(length: number): boolean {
    const repeated = this.#buffered.slice(0, length);
    if (length >= MIN_SURE_OVERLAP) return TWO_LETTERS.test(repeated);
    return STARTS_A_WORD.test(repeated) && !WORD.test(this.#before.slice(0, -length).slice(-2));
  }

  #isRestart(): boolean {
    const most = Math.min(this.#buffered.length, this.#before.length, SURE_RESTART_MATCH);
    let same = 0;
    while (same < most && this.#buffered[same] === this.#before[same]) same++;
    // After a space a sentence may begin like the first one; without it, words would be glued together.
    return same >= (/\s$/.test(this.#before) ? SURE_RESTART_MATCH : MIN_RESTART_MATCH);
  }
}
