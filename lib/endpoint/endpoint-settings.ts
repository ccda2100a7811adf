import type { SpendLimits } from '../budget/options';
import type { ModelProfile, Price } from '../models/profile';
import type { EndpointConfig, Timeouts } from '../provider/endpoint-config';
import type { QuotaLimits } from '../quota/options';

/** The configuration of an endpoint, with defaults and the figures of the catalogue filled in. */
export interface EndpointSettings {
  readonly name: string;
  readonly model: string;
  readonly provider: string;
  /** An http or https URL without a trailing slash. */
  readonly baseURL: string;
  readonly deployment: string | undefined; // terms-ok: Azure's word
  readonly apiVersion: string | undefined;
  readonly apiKey: EndpointConfig['apiKey'];
  readonly aliases: readonly string[];
  readonly weight: number;
  readonly tier: number;
  readonly limits: QuotaLimits;
  /** Limits in US dollars. */
  readonly spendLimits: SpendLimits;
  readonly maxConcurrent: number;
  readonly burstSeconds: number;
  /** Undefined if the endpoint shares its quota with no other one. */
  readonly quotaGroup: string | undefined;
  readonly tokensCharged: 'auto' | 'reserved' | 'actual';
  readonly price: Price | undefined;
  readonly contextWindow: number;
  /** Largest output in tokens; undefined if unknown. */
  readonly maxOutputTokens: number | undefined;
  readonly capabilities: ReadonlySet<string>;
  readonly quality: number;
  readonly strengths: readonly string[];
  readonly tags: ReadonlySet<string>;
  /** Whether streams ask for `stream_options.include_usage`. */
  readonly streamUsage: boolean;
  /** Whether the provider continues the text of an assistant message at the end of a request. */
  readonly prefill: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeouts: Timeouts;
  /** The catalogue's profile of the model, with the application's overrides. */
  readonly profile: ModelProfile;
}
