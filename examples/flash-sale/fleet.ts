import type { EndpointConfig } from 'express-ai-balancer';
import type { FleetDescription, ModelDescription } from 'express-ai-balancer/simulator';

/** A provider of the demo: one key for one model. */
export interface DemoProvider {
  name: string;
  model: string;
  quality: number;
  description: ModelDescription & { rpm: number; tpm: number; price: { input: number; output: number } };
}

const RESERVED_TOKENS = { tokensCharged: 'reserved' } as const;
const ACTUAL_TOKENS = { tokensCharged: 'actual' } as const;

/** Twelve keys for eight models: 8,000 requests and 5.4 million tokens per minute in total. */
export const FLEET: readonly DemoProvider[] = [
  ...['openai-4o-k1', 'openai-4o-k2'].map((name) => ({
    name,
    model: 'gpt-4o',
    quality: 0.88,
    description: {
      ...limits(600, 300_000, 60, 15.8),
      ...pace(450, 13, 0.06),
      ...usd(2.5, 10),
      ...RESERVED_TOKENS,
    },
  })),
  {
    name: 'azure-4o',
    model: 'gpt-4o',
    quality: 0.88,
    description: {
      ...limits(900, 450_000, 10, 29.4),
      ...pace(600, 16, 0.07),
      ...usd(2.5, 10),
      ...RESERVED_TOKENS,
    },
  },
  {
    name: 'openai-4o-mini',
    model: 'gpt-4o-mini',
    quality: 0.74,
    description: {
      ...limits(1500, 1_000_000, 60, 36.8),
      ...pace(350, 9, 0.03),
      ...usd(0.15, 0.6),
      ...RESERVED_TOKENS,
    },
  },
  {
    name: 'anthropic-sonnet-4',
    model: 'claude-sonnet-4-20250514',
    quality: 0.92,
    description: {
      ...limits(400, 200_000, 15, 13.4),
      ...pace(900, 15, 0.08),
      ...usd(3, 15),
      ...ACTUAL_TOKENS,
    },
  },
  {
    name: 'anthropic-haiku',
    model: 'claude-3-5-haiku',
    quality: 0.8,
    description: {
      ...limits(500, 250_000, 15, 9.1),
      ...pace(500, 8, 0.05),
      ...usd(0.8, 4),
      ...ACTUAL_TOKENS,
    },
  },
  {
    name: 'gemini-flash',
    model: 'gemini-2.5-flash',
    quality: 0.78,
    description: {
      ...limits(1000, 1_000_000, 20, 23.8),
      ...pace(400, 5, 0.02),
      ...usd(0.3, 2.5),
      ...ACTUAL_TOKENS,
      sendsRateLimitHeaders: false,
    },
  },
  {
    name: 'deepseek-chat',
    model: 'deepseek-chat',
    quality: 0.82,
    description: {
      ...limits(600, 600_000, 20, 73.8),
      ...pace(1200, 30, 0.08),
      ...usd(0.28, 0.42),
      ...ACTUAL_TOKENS,
      sendsRateLimitHeaders: false,
    },
  },
  {
    name: 'groq-70b',
    model: 'llama-3.3-70b',
    quality: 0.76,
    description: {
      ...limits(300, 120_000, 10, 4),
      ...pace(220, 4, 0.02),
      ...usd(0.59, 0.79),
      ...RESERVED_TOKENS,
    },
  },
  {
    name: 'openai-4.1',
    model: 'gpt-4.1',
    quality: 0.9,
    description: {
      ...limits(500, 400_000, 60, 23.1),
      ...pace(550, 14, 0.06),
      ...usd(2, 8),
      ...RESERVED_TOKENS,
    },
  },
  {
    name: 'mistral-large',
    model: 'mistral-large',
    quality: 0.8,
    description: {
      ...limits(300, 300_000, 10, 21.7),
      ...pace(600, 18, 0.07),
      ...usd(2, 6),
      ...ACTUAL_TOKENS,
    },
  },
  {
    name: 'azure-4o-mini',
    model: 'gpt-4o-mini',
    quality: 0.74,
    description: {
      ...limits(800, 500_000, 10, 24.8),
      ...pace(500, 12, 0.04),
      ...usd(0.15, 0.6),
      ...RESERVED_TOKENS,
    },
  },
];

/** The only key of the shop without a balancer. */
export const ONE_KEY = FLEET[0]!;

/** The API key that the apps send. Simulated providers accept any key. */
export const DEMO_KEY = 'demo';

/** The simulated providers. `speed` 10 makes everything ten times faster, including limits. */
export function describeFleet(
  providers: readonly DemoProvider[],
  speed: number,
  seed: number,
): FleetDescription {
  return {
    providers: providers.map(({ name, model, description }, index) => ({
      name,
      seed: seed + index,
      timeScale: 1 / speed,
      recordRequests: 0,
      models: {
        [model]: {
          ...description,
          rpm: description.rpm * speed,
          tpm: description.tpm * speed,
          bucketSeconds: (description.bucketSeconds ?? 60) / speed,
        },
      },
    })),
  };
}

/** The balancer's configuration for one provider. */
export function endpointOf(provider: DemoProvider, baseURL: string, speed: number): EndpointConfig {
  const { name, model, quality, description } = provider;
  return {
    name,
    model,
    quality,
    baseURL,
    apiKey: DEMO_KEY,
    rpm: description.rpm * speed,
    tpm: description.tpm * speed,
    price: description.price,
  };
}

function limits(rpm: number, tpm: number, bucketSeconds: number, comfortableInFlight: number) {
  return { rpm, tpm, bucketSeconds, comfortableInFlight };
}

function pace(ttftMs: number, msPerOutputToken: number, msPerPromptToken: number) {
  return { ttftMs, msPerOutputToken, msPerPromptToken };
}

function usd(input: number, output: number) {
  return { price: { input, output } };
}
