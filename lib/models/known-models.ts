import type { LatencyProfile, ModelProfile, Price } from './profile';

/*
 * Prices are list prices in USD per million tokens. Prices, context windows and capabilities are from the public price
 * list of BerriAI/litellm (model_prices_and_context_window.json, MIT licence) as of 2026-07-24; the Mistral, Groq, xAI,
 * deepseek-reasoner, claude-3-5-haiku and embedding rows are as of 2025-09-05. claude-opus-5 is from Anthropic's pages
 * of 2026-07. Ambiguous rows: claude-sonnet-4 has the context window of 200,000 tokens that every account has
 * (1,000,000 needs a beta header); the context window of GPT-5 is the sum of its input and output limits; deepseek-chat
 * and llama-3.3-70b accept JSON objects but no JSON schema on the APIs of DeepSeek and Groq.
 *
 * The largest outputs are from the providers' model pages (OpenAI, Anthropic, Google, DeepSeek). Reported usage beyond
 * them is an error of the upstream. Mistral, xAI and the hosts of Llama state no limit but the context window, and
 * neither does DeepSeek for deepseek-reasoner.
 *
 * Latency and quality are typical starting values: the balancer learns the latency of each endpoint, and quality is an
 * opinion that can be corrected with `models`. The quality of embedding models only compares them with each other: a
 * call never moves from one to another.
 */
const ALL = ['chat', 'tools', 'vision', 'json_schema', 'streaming'];
const TEXT = ['chat', 'tools', 'json_schema', 'streaming'];
const TOOLS = ['chat', 'tools', 'streaming'];

const CHAT = ['chat'];
const CHAT_CODE = ['chat', 'code'];
const CHAT_ANALYSIS = ['chat', 'analysis'];
const EVERYTHING = ['chat', 'code', 'analysis'];
const THINKING = ['code', 'analysis'];

/** The models of the catalogue by base name: price, latency, context window, quality, and other properties. */
export const KNOWN_MODELS: Readonly<Record<string, ModelProfile>> = {
  'gpt-4.1': chat(usd(2, 8, 0.5), ms(550, 0.06, 14), 1_047_576, 0.9, {
    maxOutputTokens: 32_768,
    fallbacks: ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-20250514'],
  }),
  'gpt-4.1-mini': chat(usd(0.4, 1.6, 0.1), ms(400, 0.04, 10), 1_047_576, 0.8, {
    maxOutputTokens: 32_768,
    strengths: CHAT_CODE,
  }),
  'gpt-4.1-nano': chat(usd(0.1, 0.4, 0.025), ms(300, 0.03, 6), 1_047_576, 0.68, {
    maxOutputTokens: 32_768,
    strengths: CHAT,
  }),
  'gpt-4o': chat(usd(2.5, 10, 1.25), ms(450, 0.06, 13), 128_000, 0.88, {
    maxOutputTokens: 16_384,
    fallbacks: ['gpt-4o-mini', 'claude-sonnet-4-20250514'],
  }),
  'gpt-4o-mini': chat(usd(0.15, 0.6, 0.075), ms(350, 0.03, 9), 128_000, 0.74, {
    maxOutputTokens: 16_384,
    strengths: CHAT,
    fallbacks: ['claude-sonnet-4-20250514', 'deepseek-chat'],
  }),
  'gpt-4-turbo': chat(usd(10, 30), ms(700, 0.08, 25), 128_000, 0.82, {
    maxOutputTokens: 4096,
    capabilities: ['chat', 'tools', 'vision', 'streaming'],
    strengths: CHAT_ANALYSIS,
  }),
  'gpt-3.5-turbo': chat(usd(0.5, 1.5), ms(400, 0.05, 10), 16_385, 0.6, {
    maxOutputTokens: 4096,
    capabilities: TOOLS,
    strengths: CHAT,
  }),
  'gpt-5': chat(usd(1.25, 10, 0.125), ms(8000, 0.06, 12), 400_000, 0.95, {
    maxOutputTokens: 128_000,
    reasoning: true,
  }),
  'gpt-5-mini': chat(usd(0.25, 2, 0.025), ms(5000, 0.04, 9), 400_000, 0.86, {
    maxOutputTokens: 128_000,
    reasoning: true,
  }),
  o3: chat(usd(2, 8, 0.5), ms(10_000, 0.06, 14), 200_000, 0.93, {
    maxOutputTokens: 100_000,
    strengths: THINKING,
    reasoning: true,
  }),
  'o4-mini': chat(usd(1.1, 4.4, 0.275), ms(6000, 0.05, 10), 200_000, 0.87, {
    maxOutputTokens: 100_000,
    strengths: THINKING,
    reasoning: true,
  }),
  'claude-opus-4': chat(usd(15, 75, 1.5), ms(1500, 0.1, 25), 200_000, 0.94, { maxOutputTokens: 32_000 }),
  'claude-sonnet-4': chat(usd(3, 15, 0.3), ms(900, 0.08, 15), 200_000, 0.92, {
    maxOutputTokens: 64_000,
    fallbacks: ['gpt-4o', 'gpt-4o-mini'],
  }),
  'claude-sonnet-4-5': chat(usd(3, 15, 0.3), ms(900, 0.08, 15), 200_000, 0.94, {
    maxOutputTokens: 64_000,
    fallbacks: ['gpt-4.1', 'gemini-2.5-pro', 'gpt-4o'],
  }),
  'claude-opus-5': chat(usd(5, 25, 0.5), ms(1500, 0.08, 18), 1_000_000, 0.96, {
    maxOutputTokens: 128_000,
    fallbacks: ['claude-sonnet-4-5', 'gpt-4.1', 'gemini-2.5-pro'],
  }),
  'claude-haiku-4-5': chat(usd(1, 5, 0.1), ms(500, 0.05, 8), 200_000, 0.86, {
    maxOutputTokens: 64_000,
    strengths: CHAT_CODE,
    fallbacks: ['gpt-4o-mini', 'gemini-2.5-flash'],
  }),
  'claude-3-5-haiku': chat(usd(0.8, 4, 0.08), ms(500, 0.05, 8), 200_000, 0.8, {
    maxOutputTokens: 8192,
    strengths: CHAT_CODE,
  }),
  'gemini-2.5-pro': chat(usd(1.25, 10, 0.125), ms(6000, 0.04, 8), 1_048_576, 0.93, {
    maxOutputTokens: 65_536,
    reasoning: true,
    fallbacks: ['gpt-4.1', 'claude-sonnet-4-5'],
  }),
  'gemini-2.5-flash': chat(usd(0.3, 2.5, 0.03), ms(400, 0.02, 5), 1_048_576, 0.78, {
    maxOutputTokens: 65_536,
    strengths: CHAT_ANALYSIS,
    fallbacks: ['gpt-4o-mini', 'claude-haiku-4-5'],
  }),
  'gemini-2.0-flash': chat(usd(0.1, 0.4, 0.025), ms(350, 0.02, 5), 1_048_576, 0.74, {
    maxOutputTokens: 8192,
    strengths: CHAT,
  }),
  'deepseek-chat': chat(usd(0.28, 0.42, 0.028), ms(1200, 0.08, 30), 131_072, 0.82, {
    maxOutputTokens: 8192,
    capabilities: TOOLS,
    strengths: CHAT_CODE,
    fallbacks: ['gpt-4o-mini', 'gpt-4o'],
  }),
  'deepseek-reasoner': chat(usd(0.55, 2.19), ms(15_000, 0.08, 30), 65_536, 0.88, {
    capabilities: TOOLS,
    strengths: THINKING,
    reasoning: true,
  }),
  'mistral-large': chat(usd(2, 6), ms(600, 0.07, 18), 128_000, 0.8, {
    capabilities: TEXT,
    strengths: CHAT_ANALYSIS,
  }),
  'llama-3.3-70b': chat(usd(0.59, 0.79), ms(220, 0.02, 4), 128_000, 0.76, {
    capabilities: TOOLS,
    strengths: CHAT,
  }),
  'grok-3': chat(usd(3, 15), ms(700, 0.07, 16), 131_072, 0.87, {
    capabilities: TOOLS,
    strengths: CHAT_ANALYSIS,
  }),
  'grok-4': chat(usd(3, 15, 0.75), ms(8000, 0.07, 14), 256_000, 0.91, {
    strengths: EVERYTHING,
    reasoning: true,
  }),
  'text-embedding-3-small': embedding(0.02, 8191, 0.75),
  'text-embedding-3-large': embedding(0.13, 8191, 0.85),
  'gemini-embedding-001': embedding(0.15, 2048, 0.85),
  'embed-english-v3.0': embedding(0.1, 1024, 0.75),
  'voyage-3': embedding(0.06, 32_000, 0.8),
};

function usd(input: number, output: number, cachedInput?: number): Price {
  return cachedInput === undefined ? { input, output } : { input, output, cachedInput };
}

function ms(firstTokenMs: number, msPerPromptToken: number, msPerOutputToken: number): LatencyProfile {
  return { firstTokenMs, msPerPromptToken, msPerOutputToken };
}

function chat(
  price: Price,
  latency: LatencyProfile,
  contextWindow: number,
  quality: number,
  special: Partial<ModelProfile> = {},
): ModelProfile {
  return { price, latency, contextWindow, quality, capabilities: ALL, strengths: EVERYTHING, ...special };
}

function embedding(inputUsd: number, contextWindow: number, quality: number): ModelProfile {
  return {
    price: usd(inputUsd, 0),
    latency: ms(150, 0.02, 0),
    contextWindow,
    quality,
    capabilities: ['embeddings'],
    strengths: ['embedding'],
  };
}
