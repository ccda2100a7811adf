import type { ModelDescription } from '../../lib/simulator/behavior';

/** Tokens per minute of the key in all variants. */
export const TPM = 30_000;

/** A combination of call, endpoint and provider settings. */
export interface Variant {
  readonly name: string;
  readonly maxTokens?: number;
  /** Ratio of the estimated to the real number of prompt tokens. Default 1. */
  readonly estimate?: number;
  /** Real tokens per call. Default 700 and 200. */
  readonly real?: { readonly prompt: number; readonly output: number };
  /** The endpoint's `tokensCharged`. Default 'auto'. */
  readonly tokensCharged?: 'auto' | 'reserved' | 'actual';
  /** The endpoint's provider. Default: the package's default. */
  readonly provider?: string;
  /** The provider's behavior. Default: tokensCharged 'actual', with headers, a bucket of 60 s. */
  readonly upstream?: Partial<ModelDescription>;
  /** Tokens per minute that another process uses on the same key. Default 0. */
  readonly externalTpm?: number;
}

const noHeaders = { sendsRateLimitHeaders: false };
const shallow = { bucketSeconds: 10 };
const reserved = { tokensCharged: 'reserved' as const };

export const VARIANTS: readonly Variant[] = [
  { name: 'plain' },
  { name: 'max_tokens 200', maxTokens: 200 },
  { name: 'max_tokens 800, counted as used', maxTokens: 800 },
  { name: 'max_tokens 800, counted as reserved', maxTokens: 800, upstream: reserved },
  {
    name: 'max_tokens 800, reserved, configured',
    maxTokens: 800,
    upstream: reserved,
    tokensCharged: 'reserved',
  },
  { name: 'max_tokens 800, as used, configured', maxTokens: 800, tokensCharged: 'actual' },
  { name: 'no headers', upstream: noHeaders },
  { name: 'no headers, bucket of 10 s', upstream: { ...noHeaders, ...shallow } },
  { name: 'no headers, 10 s, max_tokens 200', maxTokens: 200, upstream: { ...noHeaders, ...shallow } },
  { name: 'bucket of 10 s', upstream: shallow },
  { name: 'bucket of 10 s, max_tokens 800', maxTokens: 800, upstream: shallow },
  { name: 'estimate 30 % low', estimate: 0.7 },
  { name: 'estimate 30 % low, 10 s', estimate: 0.7, upstream: shallow },
  { name: 'estimate 30 % low, no headers, 10 s', estimate: 0.7, upstream: { ...noHeaders, ...shallow } },
  { name: 'estimate 30 % high', estimate: 1.3 },
  { name: 'estimate 30 % high, no headers', estimate: 1.3, upstream: noHeaders },
  { name: 'provider openai', provider: 'openai' },
  { name: 'provider openai, max_tokens 800', provider: 'openai', maxTokens: 800 },
  {
    name: 'provider openai, reserved, max_tokens 800',
    provider: 'openai',
    maxTokens: 800,
    upstream: reserved,
  },
  { name: 'half taken by others', externalTpm: TPM / 2 },
  { name: 'half taken by others, max_tokens 200', externalTpm: TPM / 2, maxTokens: 200 },
  { name: 'half taken by others, reserved, 800', externalTpm: TPM / 2, maxTokens: 800, upstream: reserved },
  { name: 'half taken by others, 10 s', externalTpm: TPM / 2, upstream: shallow },
  { name: 'half taken by others, no headers', externalTpm: TPM / 2, upstream: noHeaders },
];
