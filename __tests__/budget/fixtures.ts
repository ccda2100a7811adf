import type { AiBalancerError } from 'express-ai-balancer';
import type { ProviderOptions, SimulatedProvider } from 'express-ai-balancer/simulator';
import { type Rig, rejection } from '../helpers/provider';

/** One US dollar for 1,000 tokens, prompt or output. */
export const PRICE = { input: 1_000, output: 1_000 };
/** Noon. */
export const NOW = Date.parse('2026-11-27T12:00:00Z');
export const HOUR_MS = 3_600_000;

/** A provider that meters what it serves at the price. */
export function meteredProvider(
  rig: Rig,
  price = PRICE,
  more: ProviderOptions = {},
): Promise<SimulatedProvider> {
  return rig.provider({ models: { 'gpt-4o': { price } }, ...more });
}

/** A call of 6 prompt tokens and `output` output tokens: with 4 it costs one cent. */
export function body(output = 4, maxOutput = output, more: object = {}) {
  return {
    model: 'gpt-4o',
    messages: [{ role: 'user', content: 'Where is my parcel?' }],
    max_tokens: maxOutput,
    metadata: { simulate_prompt_tokens: '6', simulate_output_tokens: `${output}` },
    ...more,
  };
}

export async function refusal(call: PromiseLike<unknown>): Promise<AiBalancerError> {
  return (await rejection(call)) as AiBalancerError;
}

export function many<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}
