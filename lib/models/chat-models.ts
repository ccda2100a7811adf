import type { LatencyProfile, ModelProfile, Price } from './profile';

/*
 * Prices are list prices in USD per million tokens. Prices, context windows and capabilities are from the public price
 * list of BerriAI/litellm (model_prices_and_context_window.json, MIT licence) as of 2026-07-24; the Mistral, Groq, xAI,
 * deepseek-reasoner and claude-3-5-haiku rows are as of 2025-09-05. Ambiguous rows: claude-sonnet-4 has the context window
 * of 200,000 tokens that every account has (1,000,000 needs a beta header); the context window of GPT-5 is the sum of its
 * input and output limits; deepseek-chat and llama-3.3-70b accept JSON objects but no JSON schema on the APIs of DeepSeek
 * and Groq.
 *
 * Latency and quality are typical starting values: the balancer learns the latency of each endpoint, and quality is an
 * opinion that can be corrected with `models`.
 */
const ALL = ['chat', 'tools', 'vision', 'json_schema', 'streaming'];
const TEXT = ['chat', 'tools', 'json_schema', 'streaming'];
const TOOLS = ['chat', 'tools', 'streaming'];

const CHAT = ['chat'];
const CHAT_CODE = ['chat', 'code'];
const CHAT_ANALYSIS = ['chat', 'analysis'];
const EVERYTHING = ['chat', 'code', 'analysis'];
const THINKING = ['code', 'analysis'];

/** Chat models by base name. */
export const CHAT_MODELS: Readonly<Record<string, ModelProfile>> = {
  'gpt-4.1': {
    price: usd(2, 8, 0.5),
    latency: ms(550, 0.06, 14),
    contextWindow: 1_047_576,
    quality: 0.9,
    capabilities: ALL,
    strengths: EVERYTHING,
    fallbacks: ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-20250514'],
  },
  'gpt-4.1-mini': {
    price: usd(0.4, 1.6, 0.1),
    latency: ms(400, 0.04, 10),
    contextWindow: 1_047_576,
    quality: 0.8,
    capabilities: ALL,
    strengths: CHAT_CODE,
  },
  'gpt-4.1-nano': {
    price: usd(0.1, 0.4, 0.025),
    latency: ms(300, 0.03, 6),
    contextWindow: 1_047_576,
    quality: 0.68,
    capabilities: ALL,
    strengths: CHAT,
  },
  'gpt-4o': {
    price: usd(2.5, 10, 1.25),
    latency: ms(450, 0.06, 13),
    contextWindow: 128_000,
    quality: 0.88,
    capabilities: ALL,
    strengths: EVERYTHING,
    fallbacks: ['gpt-4o-mini', 'claude-sonnet-4-20250514'],
  },
  'gpt-4o-mini': {
    price: usd(0.15, 0.6, 0.075),
    latency: ms(350, 0.03, 9),
    contextWindow: 128_000,
    quality: 0.74,
    capabilities: ALL,
    strengths: CHAT,
    fallbacks: ['claude-sonnet-4-20250514', 'deepseek-chat'],
  },
  'gpt-4-turbo': {
    price: usd(10, 30),
    latency: ms(700, 0.08, 25),
    contextWindow: 128_000,
    quality: 0.82,
    capabilities: ['chat', 'tools', 'vision', 'streaming'],
    strengths: CHAT_ANALYSIS,
  },
  'gpt-3.5-turbo': {
    price: usd(0.5, 1.5),
    latency: ms(400, 0.05, 10),
    contextWindow: 16_385,
    quality: 0.6,
    capabilities: TOOLS,
    strengths: CHAT,
  },
  'gpt-5': {
    price: usd(1.25, 10, 0.125),
    latency: ms(8000, 0.06, 12),
    contextWindow: 400_000,
    quality: 0.95,
    capabilities: ALL,
    strengths: EVERYTHING,
    reasoning: true,
  },
  'gpt-5-mini': {
    price: usd(0.25, 2, 0.025),
    latency: ms(5000, 0.04, 9),
    contextWindow: 400_000,
    quality: 0.86,
    capabilities: ALL,
    strengths: EVERYTHING,
    reasoning: true,
  },
  o3: {
    price: usd(2, 8, 0.5),
    latency: ms(10_000, 0.06, 14),
    contextWindow: 200_000,
    quality: 0.93,
    capabilities: ALL,
    strengths: THINKING,
    reasoning: true,
  },
  'o4-mini': {
    price: usd(1.1, 4.4, 0.275),
    latency: ms(6000, 0.05, 10),
    contextWindow: 200_000,
    quality: 0.87,
    capabilities: ALL,
    strengths: THINKING,
    reasoning: true,
  },
  'claude-opus-4': {
    price: usd(15, 75, 1.5),
    latency: ms(1500, 0.1, 25),
    contextWindow: 200_000,
    quality: 0.94,
    capabilities: ALL,
    strengths: EVERYTHING,
  },
  'claude-sonnet-4': {
    price: usd(3, 15, 0.3),
    latency: ms(900, 0.08, 15),
    contextWindow: 200_000,
    quality: 0.92,
    capabilities: ALL,
    strengths: EVERYTHING,
    fallbacks: ['gpt-4o', 'gpt-4o-mini'],
  },
  'claude-sonnet-4-5': {
    price: usd(3, 15, 0.3),
    latency: ms(900, 0.08, 15),
    contextWindow: 200_000,
    quality: 0.94,
    capabilities: ALL,
    strengths: EVERYTHING,
  },
  'claude-haiku-4-5': {
    price: usd(1, 5, 0.1),
    latency: ms(500, 0.05, 8),
    contextWindow: 200_000,
    quality: 0.86,
    capabilities: ALL,
    strengths: CHAT_CODE,
  },
  'claude-3-5-haiku': {
    price: usd(0.8, 4, 0.08),
    latency: ms(500, 0.05, 8),
    contextWindow: 200_000,
    quality: 0.8,
    capabilities: ALL,
    strengths: CHAT_CODE,
  },
  'gemini-2.5-pro': {
    price: usd(1.25, 10, 0.125),
    latency: ms(6000, 0.04, 8),
    contextWindow: 1_048_576,
    quality: 0.93,
    capabilities: ALL,
    strengths: EVERYTHING,
    reasoning: true,
  },
  'gemini-2.5-flash': {
    price: usd(0.3, 2.5, 0.03),
    latency: ms(400, 0.02, 5),
    contextWindow: 1_048_576,
    quality: 0.78,
    capabilities: ALL,
    strengths: CHAT_ANALYSIS,
  },
  'gemini-2.0-flash': {
    price: usd(0.1, 0.4, 0.025),
    latency: ms(350, 0.02, 5),
    contextWindow: 1_048_576,
    quality: 0.74,
    capabilities: ALL,
    strengths: CHAT,
  },
  'deepseek-chat': {
    price: usd(0.28, 0.42, 0.028),
    latency: ms(1200, 0.08, 30),
    contextWindow: 131_072,
    quality: 0.82,
    capabilities: TOOLS,
    strengths: CHAT_CODE,
    fallbacks: ['gpt-4o-mini', 'gpt-4o'],
  },
  'deepseek-reasoner': {
    price: usd(0.55, 2.19),
    latency: ms(15_000, 0.08, 30),
    contextWindow: 65_536,
    quality: 0.88,
    capabilities: TOOLS,
    strengths: THINKING,
    reasoning: true,
  },
  'mistral-large': {
    price: usd(2, 6),
    latency: ms(600, 0.07, 18),
    contextWindow: 128_000,
    quality: 0.8,
    capabilities: TEXT,
    strengths: CHAT_ANALYSIS,
  },
  'llama-3.3-70b': {
    price: usd(0.59, 0.79),
    latency: ms(220, 0.02, 4),
    contextWindow: 128_000,
    quality: 0.76,
    capabilities: TOOLS,
    strengths: CHAT,
  },
  'grok-3': {
    price: usd(3, 15),
    latency: ms(700, 0.07, 16),
    contextWindow: 131_072,
    quality: 0.87,
    capabilities: TOOLS,
    strengths: CHAT_ANALYSIS,
  },
};

function usd(input: number, output: number, cachedInput?: number): Price {
  return cachedInput === undefined ? { input, output } : { input, output, cachedInput };
}

function ms(firstTokenMs: number, msPerPromptToken: number, msPerOutputToken: number): LatencyProfile {
  return { firstTokenMs, msPerPromptToken, msPerOutputToken };
}
