import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import type { AiBalancerError } from '../errors';
import type { Affinity } from './affinity';
import { type Filter, filtersFor, WINDOW } from './filters';
import { type CallNeeds, needsOf } from './needs';
import {
  type CanaryRouting,
  estimateCost,
  type Option,
  type Plan,
  type RemovedOption,
  type Sample,
  WINDOW_CERTAINTY,
} from './plan';
import { contextWindowError, modelNotServedError, noEndpointError } from './planner-errors';
import { Sampler } from './sampler';

/** Number of endpoints above which a routing decision considers a sample first. */
const MAX_UNSAMPLED = 64;

interface Tier {
  readonly endpoints: readonly Endpoint[];
  readonly sampler: Sampler;
}

/** Tiers of one model in ascending order. */
type Tiers = readonly Tier[];

interface CanaryTiers {
  readonly routing: CanaryRouting;
  readonly tiers: Tiers;
  readonly endpoints: ReadonlySet<Endpoint>;
}

/** Determines once per call which endpoints may serve it, and in which order. */
export class Planner {
  readonly #endpoints: readonly Endpoint[];
  readonly #fallbacks: ReadonlyMap<string, readonly string[]>;
  readonly #byModel = new Map<string, Tiers>();
  readonly #all: Tiers;
  readonly #sampling: { readonly affinity: Affinity } | undefined;
  readonly #canary: CanaryTiers | undefined;
  /** Cached fallbacks of the models that these tiers serve. */
  readonly #fallbacksOfTiers = new WeakMap<Tiers, readonly string[]>();
  /** Cached copies of tiers without the canary's endpoints. */
  readonly #others = new WeakMap<Tiers, Tiers>();

  /** @param sampling Set if the strategy may choose from a sample. */
  constructor(
    endpoints: readonly Endpoint[],
    fallbacks: ReadonlyMap<string, readonly string[]>,
    sampling?: { readonly affinity: Affinity },
    canary?: CanaryRouting,
  ) {
    const tried = endpoints.filter(({ name, settings }) => canary?.has({ name, model: settings.model }));
    this.#canary = canary && { routing: canary, tiers: byTier(tried), endpoints: new Set(tried) };
    this.#endpoints = endpoints;
    this.#fallbacks = fallbacks;
    this.#sampling = sampling;
    this.#all = byTier(endpoints);
    const names = new Set(endpoints.flatMap(({ settings }) => [settings.model, ...settings.aliases]));
    for (const name of names) {
      const serving = endpoints.filter(
        ({ settings }) => settings.model === name || settings.aliases.includes(name),
      );
      this.#byModel.set(name, byTier(serving));
    }
  }

  /**
   * @param models Models to use instead of the model and fallbacks of the call.
   * @throws ERR_AI_NO_ENDPOINT, which names the filters that removed the endpoints; ERR_AI_CONTEXT_WINDOW if the call
   *   fits into no context window.
   */
  plan(call: Call, models?: readonly string[]): Plan {
    const { plan, error } = this.tryPlan(call, models);
    if (error) throw error;
    return plan;
  }

  /** Returns the plan, with the error to throw if it has no endpoints. */
  tryPlan(call: Call, models?: readonly string[]): { plan: Plan; error?: AiBalancerError } {
    const modelTiers =
      models?.map((model) => this.#byModel.get(model) ?? []) ?? this.#withCanary(call, this.#tiersOf(call));
    const needs = needsOf(call);
    if (this.#sampling) {
      let endpoints = 0;
      for (const tiers of modelTiers) for (const tier of tiers) endpoints += tier.endpoints.length;
      const sample = endpoints > MAX_UNSAMPLED ? this.#sample(call, needs, modelTiers) : undefined;
      if (sample) {
        const findAll = (): AllOptions => allOptions(call, needs, modelTiers);
        return { plan: new SampledPlan({ call, needs, endpoints: this.#endpoints, sample }, findAll) };
      }
    }
    const { stages, removed, largestWindow } = allOptions(call, needs, modelTiers);
    const plan = { call, needs, stages, removed, endpoints: this.#endpoints, sample: undefined };
    if (stages.length > 0) return { plan };
    const error =
      largestWindow === undefined ? noEndpointError(plan) : contextWindowError(needs, largestWindow);
    return { plan, error };
  }

  /**
   * Draws a sample from the first tier that has suitable endpoints; undefined if there is none. Endpoints whose window
   * may be too small are left out.
   */
  #sample(call: Call, needs: CallNeeds, modelTiers: readonly Tiers[]): Sample | undefined {
    const filters = filtersFor(call, needs);
    const optionAt = (endpoint: Endpoint): Option | undefined => {
      if (endpoint.settings.contextWindow < needs.contextTokens) return undefined;
      const costUsd = estimateCost(needs, endpoint);
      return removingFilter(filters, needs, endpoint, costUsd)
        ? undefined
        : { endpoint, quotaCost: endpoint.costOf(needs.quotaCost), costUsd };
    };
    const cached = this.#sampling?.affinity.cachedAt(needs.affinityKey);
    for (const tiers of modelTiers) {
      for (const { endpoints, sampler } of tiers) {
        const preferred = cached ? endpoints.filter(({ name }) => cached.has(name)) : [];
        const options = sampler.draw(optionAt, preferred);
        if (options.length > 0) return { options, recordPick: (endpoint) => sampler.remember(endpoint) };
      }
    }
    return undefined;
  }

  /** Names of the models and aliases that a call may request. */
  get models(): readonly string[] {
    return [...this.#byModel.keys()];
  }

  #tiersOf(call: Call): readonly Tiers[] {
    const { model } = call;
    if (model === undefined) return [this.#all];
    const requested = this.#byModel.get(model);
    if (requested === undefined) throw modelNotServedError(model, this.models);
    // Embeddings of different models can't be mixed, so embeddings have no fallbacks.
    const next =
      call.operation === 'embeddings' ? [] : (call.fallbacks ?? this.#fallbacksOf(model, requested));
    return next.length === 0
      ? [requested]
      : [requested, ...next.map((name) => this.#byModel.get(name) ?? [])];
  }

  /**
   * Puts the canary's endpoints first for its share of calls and removes them for the other calls. Calls that take no
   * part in the canary use its endpoints like any others.
   */
  #withCanary(call: Call, modelTiers: readonly Tiers[]): readonly Tiers[] {
    const side = this.#canary?.routing.sideOf(call);
    if (!this.#canary || side === undefined) return modelTiers;
    const others = modelTiers.map((tiers) => this.#withoutCanary(tiers));
    return side === 'canary' ? [this.#canary.tiers, ...others] : others;
  }

  #withoutCanary(tiers: Tiers): Tiers {
    const known = this.#others.get(tiers);
    const endpoints = known ? [] : tiers.flatMap((tier) => tier.endpoints);
    const others = known ?? byTier(endpoints.filter((endpoint) => !this.#canary?.endpoints.has(endpoint)));
    this.#others.set(tiers, others);
    return others;
  }

  #fallbacksOf(model: string, requested: Tiers): readonly string[] {
    const known = this.#fallbacks.get(model) ?? this.#fallbacksOfTiers.get(requested);
    if (known) return known;
    const ofModels = new Set(
      requested
        .flatMap((tier) => tier.endpoints)
        .flatMap(({ settings }) => this.#fallbacks.get(settings.model) ?? []),
    );
    const fallbacks = ofModels.size > 0 ? [...ofModels] : (this.#fallbacks.get('*') ?? []);
    this.#fallbacksOfTiers.set(requested, fallbacks);
    return fallbacks;
  }
}

/**
 * The plan of a call in a large fleet. Most calls start at an endpoint of the sample; all options are determined only
 * if needed.
 */
class SampledPlan implements Plan {
  readonly call: Call;
  readonly needs: CallNeeds;
  readonly endpoints: readonly Endpoint[];
  readonly sample: Sample | undefined;
  readonly #findAll: () => AllOptions;
  #all: AllOptions | undefined;

  constructor(known: Omit<Plan, 'stages' | 'removed'>, findAll: () => AllOptions) {
    this.call = known.call;
    this.needs = known.needs;
    this.endpoints = known.endpoints;
    this.sample = known.sample;
    this.#findAll = findAll;
  }

  get stages(): readonly (readonly Option[])[] {
    this.#all ??= this.#findAll();
    return this.#all.stages;
  }

  get removed(): readonly RemovedOption[] {
    this.#all ??= this.#findAll();
    return this.#all.removed;
  }
}

interface AllOptions {
  readonly stages: readonly (readonly Option[])[];
  readonly removed: readonly RemovedOption[];
  /** Largest window of all options, set if the window of some option is too small. */
  readonly largestWindow: number | undefined;
}

function allOptions(call: Call, needs: CallNeeds, modelTiers: readonly Tiers[]): AllOptions {
  const filters = filtersFor(call, needs);
  // An endpoint can serve two of the models only through an alias; with one model there can be no duplicates.
  const seen = modelTiers.length > 1 ? new Set<Endpoint>() : undefined;
  const removed: RemovedOption[] = [];
  const stages: Option[][] = [];
  for (const tiers of modelTiers) {
    for (const { endpoints } of tiers) {
      const stage: Option[] = [];
      for (const endpoint of endpoints) {
        if (seen?.has(endpoint)) continue;
        seen?.add(endpoint);
        const costUsd = estimateCost(needs, endpoint);
        const filter = removingFilter(filters, needs, endpoint, costUsd);
        if (filter) removed.push({ endpoint, costUsd, removal: filter.removal });
        else stage.push({ endpoint, quotaCost: endpoint.costOf(needs.quotaCost), costUsd });
      }
      if (stage.length > 0) stages.push(stage);
    }
  }
  return fitWindow(needs.contextTokens, stages, removed);
}

/** Returns the first filter that removes the endpoint, if any. */
function removingFilter(
  filters: readonly Filter[],
  needs: CallNeeds,
  endpoint: Endpoint,
  costUsd: number | undefined,
): Filter | undefined {
  for (const filter of filters) if (filter.removes(needs, endpoint, costUsd)) return filter;
  return undefined;
}

/**
 * Keeps the endpoints whose window fits. If none fits but the estimate may be too high, keeps those with the largest
 * window.
 */
function fitWindow(
  required: number,
  stages: readonly (readonly Option[])[],
  removed: RemovedOption[],
): AllOptions {
  let largest = 0;
  let smallest = Infinity;
  for (const stage of stages) {
    for (const { endpoint } of stage) {
      const { contextWindow } = endpoint.settings;
      if (contextWindow > largest) largest = contextWindow;
      if (contextWindow < smallest) smallest = contextWindow;
    }
  }
  if (smallest >= required) return { stages, removed, largestWindow: undefined };
  const least = required * WINDOW_CERTAINTY > largest ? required : Math.min(required, largest);
  const fitting = stages.map((stage) =>
    stage.filter(({ endpoint, costUsd }) => {
      if (endpoint.settings.contextWindow >= least) return true;
      removed.push({ endpoint, costUsd, removal: WINDOW });
      return false;
    }),
  );
  return { stages: fitting.filter((stage) => stage.length > 0), removed, largestWindow: largest };
}

function byTier(endpoints: readonly Endpoint[]): Tiers {
  const tiers = new Map<number, Endpoint[]>();
  for (const endpoint of endpoints) {
    const { tier } = endpoint.settings;
    const list = tiers.get(tier);
    if (list) list.push(endpoint);
    else tiers.set(tier, [endpoint]);
  }
  return [...tiers]
    .sort(([a], [b]) => a - b)
    .map(([, list]) => ({ endpoints: list, sampler: new Sampler(list) }));
}
