// A nightly batch that uses the same key as the shop, with its own HTTP client. Its jobs run through the limiters of the
// balancer's endpoint, so that both together stay within the key's limits.
import type { QuotaLimiters } from 'express-ai-balancer';

/** The prompt and the answer of one product, in tokens: the weight of its job. */
export const PROMPT_TOKENS = 400;
export const ANSWER_TOKENS = 200;

/** Writes the texts of all products. Returns how many were written. */
export async function describeProducts(
  products: readonly string[],
  { requests, tokens }: QuotaLimiters,
  baseURL: string,
  apiKey: string,
): Promise<number> {
  const describe = (product: string) => async (): Promise<boolean> => {
    const response = await fetch(`${baseURL}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
      body: JSON.stringify({
        model: 'gpt-4o-mini',
        messages: [{ role: 'user', content: `Describe this product: ${product}` }],
        max_tokens: ANSWER_TOKENS,
        metadata: { simulate_prompt_tokens: `${PROMPT_TOKENS}`, simulate_output_tokens: `${ANSWER_TOKENS}` },
      }),
    });
    await response.arrayBuffer();
    return response.ok;
  };
  const weight = PROMPT_TOKENS + ANSWER_TOKENS;
  const written = await Promise.all(
    products.map((product) => {
      const inTokens = () => tokens?.schedule({ weight }, describe(product)) ?? describe(product)();
      return requests?.schedule(inTokens) ?? inTokens();
    }),
  );
  return written.filter(Boolean).length;
}
