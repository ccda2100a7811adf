// A shop whose customers ask for answers while a nightly batch uses the same key: `npx tsx examples/nightly-batch/main.ts`.
// The provider is simulated. It is strict, and its answers say nothing about limits.
import { createBalancer } from 'express-ai-balancer';
import { startFleetProcess } from 'express-ai-balancer/simulator';
import { ANSWER_TOKENS, describeProducts, PROMPT_TOKENS } from './batch';

const TPM = 120_000;
const RPM = 600;
const BURST_SECONDS = 2;
const CUSTOMERS = 20;
const API_KEY = 'sk-test';
/** By then the buckets, which are full at first, are drained. */
const DRAINED_MS = 3_000;

export interface Night {
  readonly answers: number;
  readonly products: number;
  /** Calls that the provider refused with 429. */
  readonly refused: number;
  /** The share of the key's tokens that was used, and the batch's part of it. */
  readonly usedShare: number;
  readonly batchShare: number;
}

export async function runNight(seconds: number): Promise<Night> {
  const fleet = await startFleetProcess({
    providers: [
      {
        name: 'main',
        errorShare: 0,
        recordRequests: 100_000,
        recordBodies: true,
        models: {
          'gpt-4o-mini': {
            rpm: RPM,
            tpm: TPM,
            bucketSeconds: BURST_SECONDS,
            tokensCharged: 'reserved',
            sendsRateLimitHeaders: false,
            ttftMs: 50,
            msPerOutputToken: 1,
          },
        },
      },
    ],
  });
  const provider = fleet.provider('main');
  const baseURL = provider.url;
  const balancer = createBalancer({
    endpoints: [
      {
        name: 'main',
        model: 'gpt-4o-mini',
        baseURL,
        apiKey: API_KEY,
        rpm: RPM,
        tpm: TPM,
        burstSeconds: BURST_SECONDS,
      },
    ],
    estimateTokens: () => PROMPT_TOKENS,
    logger: false,
  });
  const startedAt = Date.now();
  const until = startedAt + seconds * 1_000;
  let answers = 0;
  const customer = async (): Promise<void> => {
    while (Date.now() < until) {
      await balancer.chat({
        model: 'gpt-4o-mini',
        messages: [{ role: 'user', content: 'Where is my parcel?' }],
        max_tokens: ANSWER_TOKENS,
        metadata: {
          simulate_prompt_tokens: `${PROMPT_TOKENS}`,
          simulate_output_tokens: `${ANSWER_TOKENS}`,
        },
      });
      answers++;
    }
  };
  let products = 0;
  const batch = async (): Promise<void> => {
    const { limiters } = balancer.endpoint('main');
    while (Date.now() < until) {
      const page = Array.from({ length: 10 }, (_, index) => `product ${products + index}`);
      products += await describeProducts(page, limiters, baseURL, API_KEY);
    }
  };
  await Promise.all([batch(), ...Array.from({ length: CUSTOMERS }, customer)]);
  const arrived = (await provider.requests()).filter(({ at }) => at >= startedAt + DRAINED_MS && at < until);
  const { rateLimited: refused } = await provider.stats();
  await balancer.close();
  await fleet.close();
  const isOfBatch = ({ body }: { body?: unknown }) => JSON.stringify(body).includes('Describe this product');
  return {
    answers,
    products,
    refused,
    usedShare:
      (arrived.length * (PROMPT_TOKENS + ANSWER_TOKENS)) /
      ((TPM / 60_000) * (until - startedAt - DRAINED_MS)),
    batchShare: arrived.filter(isOfBatch).length / arrived.length,
  };
}

async function main(): Promise<void> {
  const { answers, products, refused, usedShare, batchShare } = await runNight(20);
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  console.log(`${answers} customers were answered, and ${products} products were described.`);
  console.log(
    `The key was used to ${percent(usedShare)}, ${percent(batchShare)} of that by the batch, and refused ${refused} calls.`,
  );
}

// Only when this file is the program, in CommonJS as in an ES module.
if (/main\.\w+$/.test(process.argv[1] ?? '')) void main();
