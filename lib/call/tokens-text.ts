import { estimateTokenCount } from 'tokenx';

/** Texts of up to this many characters are counted completely. */
const MAX_UNSAMPLED_CHARS = 4096;
/** Longer texts are sampled in this many evenly spaced slices of this length. */
const SLICES = 16;
const SLICE = 512;
/** After this many characters of one body, the rest is estimated from a few characters of each text. */
const BODY_BUDGET = 32_768;
const GLANCE_CHARS = 64;

/**
 * Factor on the estimate, because tokenx underestimates some texts. A reservation that is too small leads to a 429; one
 * that is too large is settled a second later.
 */
const SAFETY = 1.1;
/** Length of the longest token of today's tokenizers, in characters, apart from runs of white space. */
const LONGEST_TOKEN = 16;

/*
 * Characters per token, measured with o200k, for texts that tokenx underestimates: letters mixed with digits (keys,
 * hashes, base64), digits (groups of three and the space before them), capitals, emoji, and scripts that it treats as
 * English.
 */
const ASCII_LANGUAGE_CONFIGS = [
  { pattern: /^\d+$/, averageCharsPerToken: 2 },
  { pattern: /^(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9]{8,}$/, averageCharsPerToken: 1.4 },
  { pattern: /^[A-Z]{4,}$/, averageCharsPerToken: 4 },
];
const LANGUAGE_CONFIGS = [
  ...ASCII_LANGUAGE_CONFIGS,
  { pattern: /[ąćęłńśźżěščřůďťňğışőű]/i, averageCharsPerToken: 2 },
  { pattern: /[\u0400-\u04ff]/, averageCharsPerToken: 3 },
  { pattern: /[\u0590-\u06ff\u0900-\u0dff]/, averageCharsPerToken: 2 },
  { pattern: /[\u0e00-\u109f\u1780-\u17ff]/, averageCharsPerToken: 1.8 },
  { pattern: /\p{Extended_Pictographic}/u, averageCharsPerToken: 0.6 },
];

/** Estimates the tokens of the texts of one body. Its time depends on the number of texts, not on their length. */
export class TextMeter {
  #budget = BODY_BUDGET;

  tokens(text: string): number {
    if (text === '') return 0;
    if (this.#budget <= 0) return roughTokens(text);
    const read = text.length <= MAX_UNSAMPLED_CHARS ? text : sample(text);
    this.#budget -= read.length;
    const languageConfigs = /[^\0-\x7f]/.test(read) ? LANGUAGE_CONFIGS : ASCII_LANGUAGE_CONFIGS;
    const tokens = estimateTokenCount(read, { languageConfigs }) * (text.length / read.length) * SAFETY;
    return Math.max(tokens, text.length / LONGEST_TOKEN);
  }
}

/** Slices from start to end, joined by line breaks so that no two parts of words merge. */
function sample(text: string): string {
  const step = (text.length - SLICE) / (SLICES - 1);
  const slices: string[] = [];
  for (let index = 0; index < SLICES; index++) {
    const start = Math.floor(index * step);
    slices.push(text.slice(start, start + SLICE));
  }
  return slices.join('\n');
}

/** One token per 3 ASCII characters and per other character: above the true count in any common language. */
function roughTokens(text: string): number {
  const stride = Math.ceil(text.length / GLANCE_CHARS);
  let tokens = 0;
  for (let index = 0; index < text.length; index += stride) {
    tokens += text.charCodeAt(index) < 128 ? 1 / 3 : 1;
  }
  return tokens * stride;
}
