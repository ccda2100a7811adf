import type { Usage } from '../call/answer';
import { type Call, maxOutputOf } from '../call/call';
import type { Price } from '../models/profile';
import type { Cost } from '../quota/cost';
import { UNITS_PER_USD } from './options';

/** Units for one token at one dollar per million tokens. */
const UNITS_PER_TOKEN = UNITS_PER_USD / 1e6;

/** What the call can cost at most if its output is limited, else what it is expected to cost. */
export function possibleUnits(call: Call, price: Price | undefined): number {
  return price ? unitsOf({ input: call.promptTokens, output: maxOutputOf(call) }, price) : 0;
}

/** The price of tokens. */
export function unitsOf({ input, output }: Cost, price: Price): number {
  return Math.ceil((input * price.input + output * price.output) * UNITS_PER_TOKEN);
}

/** The price of an answer, of which the provider had read a part from its cache. */
export function unitsOfUsage(usage: Usage, price: Price): number {
  const cached = Math.min(usage.prompt_tokens, usage.prompt_tokens_details?.cached_tokens ?? 0);
  const cachedPrice = price.cachedInput ?? price.input;
  const saved = cached * (price.input - cachedPrice) * UNITS_PER_TOKEN;
  return Math.max(
    0,
    Math.ceil(unitsOf({ input: usage.prompt_tokens, output: usage.completion_tokens }, price) - saved),
  );
}
