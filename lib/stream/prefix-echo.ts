/** A beginning of this many characters in common with the text is no coincidence: the upstream started over. */
const RESTART_MATCH = 24;

/** How a continuation relates to the text it was asked to continue. */
export type EchoResult =
  /** It continues the text after repeating this many characters of its beginning: 0, or the whole text. */
  | { readonly kind: 'continued'; readonly echoed: number }
  /** It answers from the beginning again. */
  | { readonly kind: 'restarted' };

/**
 * Tells whether a continuation that arrives in pieces first repeats the text it continues. llama-server echoes the whole
 * prefix, of any length, in its first delta; vLLM, Mistral and DeepSeek echo nothing.
 */
export class PrefixEcho {
  readonly #prefix: string;
  /** Chat templates may trim the white space at the end of the prefix. */
  readonly #trimmedLength: number;
  #text = '';
  #matched = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#trimmedLength = prefix.trimEnd().length;
  }

  /** Takes the next piece; undefined while everything so far repeats the prefix. */
  add(piece: string): EchoResult | undefined {
    this.#text += piece;
    const most = Math.min(this.#text.length, this.#prefix.length);
    while (this.#matched < most && this.#text[this.#matched] === this.#prefix[this.#matched]) this.#matched++;
    const isDecided = this.#matched < this.#text.length || this.#matched === this.#prefix.length;
    return isDecided ? this.end() : undefined;
  }

  /** The result when no more text comes. */
  end(): EchoResult {
    if (this.#matched > 0 && this.#matched >= this.#trimmedLength)
      return { kind: 'continued', echoed: this.#matched };
    return this.#matched >= RESTART_MATCH ? { kind: 'restarted' } : { kind: 'continued', echoed: 0 };
  }
}
