import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { AiBalancerError, badRequest } from '../errors';
import { nativeRequest } from '../responses/native-route';
import type { Affinity } from './affinity';
import { type Filter, filtersFor, WINDOW } from './filters';
import { type CallNeeds, needsOf } from './needs';
import {
  estimateCost,
  type Option,
  type Plan,
  type RemovedOption,
  type Sample,
  WINDOW_CERTAINTY,
} from './plan';
import { Sampler } from './sampler';

/** In larger fleets a decision considers a sample first. */
const MAX_UNSAMPLED = 64;

interface Tier {
  readonly endpoints: readonly Endpoint[];
  readonly sampler: Sampler;
}

/** The earliest first. */
type Tiers = readonly Tier[];

/** Determines once per call which endpoints may serve it, and in which order. */
export class Planner {
  readonly #endpoints: readonly Endpoint[];
  readonly #fallbacks: ReadonlyMap<string, readonly string[]>;
  readonly #byModel = new Map<string, Tiers>();
  readonly #all: Tiers;
  readonly #sampling: { readonly affinity: Affinity } | undefined;

  /** @param sampling Set for a strategy that may choose among a sample. */
  constructor(
    endpoints: readonly Endpoint[],
    fallbacks: ReadonlyMap<string, readonly string[]>,
    sampling?: { readonly affinity: Affinity },
  ) {
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
   * @param models Used instead of the model and fallbacks of the call.
   * @throws ERR_AI_NO_ENDPOINT that names the filters; ERR_AI_CONTEXT_WINDOW.
   */
  plan(call: Call, models?: readonly string[]): Plan {
    const { plan, error } = this.tryPlan(call, models);
    if (error) throw error;
    return plan;
  }

  /** The plan, with the error to throw when it has no endpoints. */
  tryPlan(call: Call, models?: readonly string[]): { plan: Plan; error?: AiBalancerError } {
    const modelTiers = models?.map((model) => this.#byModel.get(model) ?? []) ?? this.#tiersOf(call);
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

  /** A sample of the first stage; undefined if there is none, or only one whose window may be too small. */
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

  /** The models and aliases that a call may name. */
  get models(): readonly string[] {
    return [...this.#byModel.keys()];
  }

  #tiersOf(call: Call): readonly Tiers[] {
    const { model } = call;
    if (model === undefined) return [this.#all];
    const requested = this.#byModel.get(model);
    if (requested === undefined && call.endpoint === undefined) {
      const publicMessage = `no endpoint serves the model '${printable(model)}'`;
      throw new AiBalancerError(
        'ERR_AI_NO_ENDPOINT',
        `${publicMessage}; configured models: ${this.models.join(', ')}`,
        { status: 404, param: 'model', publicMessage },
      );
    }
    const first = requested ?? this.#all;
    // Embeddings of different models cannot be mixed.
    const next = call.operation === 'embeddings' ? [] : (call.fallbacks ?? this.#fallbacksOf(model, first));
    return next.length === 0 ? [first] : [first, ...next.map((name) => this.#byModel.get(name) ?? [])];
  }

  #fallbacksOf(model: string, requested: Tiers): readonly string[] {
    const own = this.#fallbacks.get(model);
    if (own) return own;
    const ofModels = new Set(
      requested
        .flatMap((tier) => tier.endpoints)
        .flatMap(({ settings }) => this.#fallbacks.get(settings.model) ?? []),
    );
    return ofModels.size > 0 ? [...ofModels] : (this.#fallbacks.get('*') ?? []);
  }
}

/** The plan of a call in a large fleet. Most calls start at an endpoint of the sample: only others need all options. */
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
  /** Set when no endpoint fits because of its window. */
  readonly largestWindow: number | undefined;
}

function allOptions(call: Call, needs: CallNeeds, modelTiers: readonly Tiers[]): AllOptions {
  const filters = filtersFor(call, needs);
  // An endpoint can serve two of the models only through an alias; with one model there are no duplicates.
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

/** The first filter that removes the endpoint, if any does. */
function removingFilter(
  filters: readonly Filter[],
  needs: CallNeeds,
  endpoint: Endpoint,
  costUsd: number | undefined,
): Filter | undefined {
  for (const filter of filters) if (filter.removes(needs, endpoint, costUsd)) return filter;
  return undefined;
}

/** Keeps the endpoints whose window fits, or the largest when none fits but the estimate may be wrong. */
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

function contextWindowError({ contextTokens }: CallNeeds, largest: number): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_CONTEXT_WINDOW',
    `the call needs about ${contextTokens} tokens; the largest context window is ${largest}`,
    { status: 400, param: 'messages' },
  );
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

function noEndpointError({ call, needs, removed }: Plan): AiBalancerError {
  const causes = removed.map(({ endpoint, costUsd, removal }) => removal.reason(needs, endpoint, costUsd));
  const byEndpoint = removed.map(({ endpoint }, index) => `${endpoint.name} (${causes[index] ?? ''})`);
  const model = call.model === undefined ? 'the call' : `'${printable(call.model)}'`;
  const nativeOnly = call.responses?.nativeOnly;
  if (nativeOnly !== undefined && !removed.some(({ endpoint }) => nativeRequest(call, endpoint))) {
    return badRequest(
      nativeOnly,
      `no endpoint with the Responses API serves ${model}, and this can't be translated to chat completions`,
    );
  }
  const message = (reasons: readonly string[]): string =>
    `no endpoint can serve ${model}${reasons.length > 0 ? ': ' : ''}${reasons.slice(0, 20).join('; ')}`;
  return new AiBalancerError('ERR_AI_NO_ENDPOINT', message(byEndpoint), {
    status: 404,
    publicMessage: message([...new Set(causes)]),
  });
}

/** The model name comes from the caller: it is cut and cleaned so that it cannot break a log line. */
function printable(name: string): string {
  return name.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
}
