import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import type { Cost } from '../quota/cost';
import type { RemovalReason } from './filters';
import type { CallNeeds } from './needs';

/** An endpoint that may serve a call. Breaker, cooldown and quota have not been considered yet. */
export interface Option {
  readonly endpoint: Endpoint;
  readonly quotaCost: Cost;
  /** Estimated price of the call in USD; undefined if the endpoint has no price. */
  readonly costUsd: number | undefined;
}

/** An endpoint that a filter has removed. */
export interface RemovedOption extends Pick<Option, 'endpoint' | 'costUsd'> {
  readonly removal: RemovalReason;
}

/** Routing to a canary: a model or endpoint that serves a configured share of calls. */
export interface CanaryRouting {
  /** Whether a call goes to the canary first ('canary') or never ('others'); undefined for calls that take no part. */
  sideOf(call: Call): 'canary' | 'others' | undefined;
  has(endpoint: { readonly name: string; readonly model: string }): boolean;
}

/** The routing decisions that stay fixed while a call runs. */
export interface Plan {
  readonly call: Call;
  readonly needs: CallNeeds;
  /** Options in order of preference: the tiers of the requested model, then those of each fallback model. */
  readonly stages: readonly (readonly Option[])[];
  /** Endpoints of the requested model and its fallbacks that a filter has removed. */
  readonly removed: readonly RemovedOption[];
  /** All endpoints of the configuration. */
  readonly endpoints: readonly Endpoint[];
  /** In a large fleet: a sample of options of one stage, which are considered before all others. */
  readonly sample: Sample | undefined;
}

export interface Sample {
  readonly options: readonly Option[];
  /** Records that the call goes to this endpoint, so that later samples include it. */
  recordPick(endpoint: Endpoint): void;
}

/** Returns a key that is equal for calls that may use the same endpoints. */
export function poolKey(plan: Plan): string {
  return plan.stages.map((stage) => stage.map(({ endpoint }) => endpoint.name).join()).join('|');
}

export function optionsOf({ stages }: Plan): readonly Option[] {
  return stages.length === 1 ? (stages[0] as readonly Option[]) : stages.flat();
}

/** The options that are considered first: a sample in a large fleet, otherwise all of them. */
export function shortlistOf(plan: Plan): readonly Option[] {
  return plan.sample?.options ?? optionsOf(plan);
}

/** Returns the plan restricted to usable endpoints. */
export function restrictedPlan(plan: Plan, isUsable: (endpoint: Endpoint) => boolean): Plan {
  const { call, needs, removed, endpoints } = plan;
  const stages = plan.stages.map((stage) => stage.filter(({ endpoint }) => isUsable(endpoint)));
  return { call, needs, stages, removed, endpoints, sample: undefined };
}

/**
 * A call is refused without an attempt only if this share of its estimated tokens exceeds every window, because
 * estimates tend to be too high.
 */
export const WINDOW_CERTAINTY = 0.7;

/** Returns the estimated price of a call in USD; undefined if the endpoint has no price. */
export function estimateCost(
  { promptTokens, expectedOutputTokens }: CallNeeds,
  { settings }: Endpoint,
): number | undefined {
  const { price } = settings;
  if (price === undefined) return undefined;
  return (promptTokens * price.input + expectedOutputTokens * price.output) / 1e6;
}
