import type { Usage } from '../call/answer';
import { type Call, maxOutputOf } from '../call/call';
import type { Price } from '../models/profile';
import type { Cost } from '../quota/cost';
import { UNITS_PER_USD } from './options';

/** Units for one token at one dollar per million tokens. */
const UNITS_PER_TOKEN = UNITS_PER_USD / 1e6;

/**
 * The highest possible cost of the call in units if its output is limited, otherwise its expected cost; 0 without a
 * price.
 */
export function possibleUnits(call: Call, price: Price | undefined): number {
  return price ? unitsOf({ input: call.promptTokens, output: maxOutputOf(call) }, price) : 0;
}

/** The cost of tokens, in units. */
export function unitsOf({ input, output }: Cost, price: Price): number {
  return Math.ceil((input * price.input + output * price.output) * UNITS_PER_TOKEN);
}

/** The cost of an answer, in units. Cached prompt tokens cost `cachedInput`. */
export function unitsOfUsage(usage: Usage, price: Price): number {
  const cached = Math.min(usage.prompt_tokens, usage.prompt_tokens_details?.cached_tokens ?? 0);
  const cachedPrice = price.cachedInput ?? price.input;
  const saved = cached * (price.input - cachedPrice) * UNITS_PER_TOKEN;
  return Math.max(
    0,
    Math.ceil(unitsOf({ input: usage.prompt_tokens, output: usage.completion_tokens }, price) - saved),
  );
}
