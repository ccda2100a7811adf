import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import type { Cost } from '../quota/cost';
import type { RemovalReason } from './filters';
import type { CallNeeds } from './needs';

/** An endpoint that may serve a call, before breaker, cooldown and quota are considered. */
export interface Option {
  readonly endpoint: Endpoint;
  readonly quotaCost: Cost;
  /** Estimated price of the call in USD; undefined when the endpoint has no price. */
  readonly costUsd: number | undefined;
}

/** An endpoint that a filter has removed. */
export interface RemovedOption extends Pick<Option, 'endpoint' | 'costUsd'> {
  readonly removal: RemovalReason;
}

/** A model or endpoint that serves a share of the calls. */
export interface CanaryRouting {
  /** Whether a call goes to it first, or not at all; undefined for calls that take no part. */
  sideOf(call: Call): 'canary' | 'others' | undefined;
  has(endpoint: { readonly name: string; readonly model: string }): boolean;
}

/** What is fixed about the routing of a call while it runs. */
export interface Plan {
  readonly call: Call;
  readonly needs: CallNeeds;
  /** In order of preference: the tiers of the requested model, then those of each fallback model. */
  readonly stages: readonly (readonly Option[])[];
  /** The endpoints removed by a filter, without those of other models. */
  readonly removed: readonly RemovedOption[];
  /** All endpoints of the configuration. */
  readonly endpoints: readonly Endpoint[];
  /** In a large fleet: some options of the first stage, which are considered before all the others. */
  readonly sample: Sample | undefined;
}

export interface Sample {
  readonly options: readonly Option[];
  /** The call goes to this endpoint of the sample: later samples consider it too. */
  recordPick(endpoint: Endpoint): void;
}

/** Calls with the same key may use the same endpoints. */
export function poolKey(plan: Plan): string {
  return plan.stages.map((stage) => stage.map(({ endpoint }) => endpoint.name).join()).join('|');
}

export function optionsOf({ stages }: Plan): readonly Option[] {
  return stages.length === 1 ? (stages[0] as readonly Option[]) : stages.flat();
}

/** The options that are considered first: in a large fleet a sample, else all of them. */
export function shortlistOf(plan: Plan): readonly Option[] {
  return plan.sample?.options ?? optionsOf(plan);
}

/** The plan with the usable endpoints only. */
export function restrictedPlan(plan: Plan, isUsable: (endpoint: Endpoint) => boolean): Plan {
  const { call, needs, removed, endpoints } = plan;
  const stages = plan.stages.map((stage) => stage.filter(({ endpoint }) => isUsable(endpoint)));
  return { call, needs, stages, removed, endpoints, sample: undefined };
}

/** A call is refused unsent only when this share of its estimate exceeds a window, because estimates err upwards. */
export const WINDOW_CERTAINTY = 0.7;

/** Estimated price of a call in USD; undefined when the endpoint has no price. */
export function estimateCost(
  { promptTokens, expectedOutputTokens }: CallNeeds,
  { settings }: Endpoint,
): number | undefined {
  const { price } = settings;
  if (price === undefined) return undefined;
  return (promptTokens * price.input + expectedOutputTokens * price.output) / 1e6;
}
