const WORDS =
  `thank you for writing to us about your order it left our warehouse this morning and should reach you
  within two working days the carrier sends a link as soon as the parcel is on its way if the size does not fit
  you can return it free of charge within thirty days we refund the price to the card that paid for it please keep
  the label until then the second item in your basket is back in stock from friday and we hold one for you`.split(
    /\s+/,
  );

const LOOP = WORDS.map((word) => ` ${word}`);
const LOOPED = LOOP.join('');
const STARTS = LOOP.reduce<number[]>((starts, word) => [...starts, (starts.at(-1) ?? 0) + word.length], [0]);

/**
 * The text of tokens `from` (inclusive) to `to` (exclusive). Each token is one fixed word, so the chunks of an answer
 * join to its whole text.
 */
export function textOf(from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; ) {
    const start = at % LOOP.length;
    const take = Math.min(LOOP.length - start, to - at);
    text += LOOPED.slice(STARTS[start], STARTS[start + take]);
    at += take;
  }
  return from === 0 ? text.trimStart() : text;
}

/** Estimates tokens as a quarter of the characters, the rule of thumb in OpenAI's documentation. */
export function tokensOfText(text: string): number {
  return Math.ceil(text.length / 4);
}
