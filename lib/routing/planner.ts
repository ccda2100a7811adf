import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import { estimateQuotaCost } from '../quota/cost';
import { filtersFor, WINDOW } from './filters';
import {
  estimateCost,
  type Option,
  type Plan,
  type RemovedOption,
  requiredContextTokens,
  WINDOW_CERTAINTY,
} from './plan';

/** Endpoints by tier, the earliest first. */
type Tiers = readonly (readonly Endpoint[])[];

/** Determines once per call which endpoints may serve it, and in which order. */
export class Planner {
  readonly #endpoints: readonly Endpoint[];
  readonly #fallbacks: ReadonlyMap<string, readonly string[]>;
  readonly #byModel = new Map<string, Tiers>();
  readonly #all: Tiers;

  constructor(endpoints: readonly Endpoint[], fallbacks: ReadonlyMap<string, readonly string[]>) {
    this.#endpoints = endpoints;
    this.#fallbacks = fallbacks;
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
    const filters = filtersFor(call);
    const costEstimate = estimateQuotaCost(call);
    // An endpoint can serve two of the models only through an alias; with one model there are no duplicates.
    const seen = modelTiers.length > 1 ? new Set<Endpoint>() : undefined;
    const removed: RemovedOption[] = [];
    const stages: Option[][] = [];
    for (const tiers of modelTiers) {
      for (const tier of tiers) {
        const stage: Option[] = [];
        for (const endpoint of tier) {
          if (seen?.has(endpoint)) continue;
          seen?.add(endpoint);
          const quotaCost = endpoint.costOf(costEstimate);
          const option = { endpoint, quotaCost, costUsd: estimateCost(call, endpoint) };
          const filter = filters.find((each) => each.removes(call, option));
          if (filter) removed.push({ option, filter });
          else stage.push(option);
        }
        if (stage.length > 0) stages.push(stage);
      }
    }
    const fitted = fitWindow(call, stages, removed);
    const plan = { call, stages: fitted.stages, removed, endpoints: this.#endpoints };
    if (plan.stages.length > 0) return { plan };
    const { largest } = fitted;
    return { plan, error: largest === undefined ? noEndpointError(plan) : contextWindowError(call, largest) };
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
      requested.flat().flatMap(({ settings }) => this.#fallbacks.get(settings.model) ?? []),
    );
    return ofModels.size > 0 ? [...ofModels] : (this.#fallbacks.get('*') ?? []);
  }
}

interface WindowFit {
  readonly stages: readonly (readonly Option[])[];
  /** The largest context window, when no endpoint fits because of its window. */
  readonly largest: number | undefined;
}

/** Keeps the endpoints whose window fits, or the largest when none fits but the estimate may be wrong. */
function fitWindow(call: Call, stages: readonly (readonly Option[])[], removed: RemovedOption[]): WindowFit {
  const required = requiredContextTokens(call);
  let largest = 0;
  let smallest = Infinity;
  for (const stage of stages) {
    for (const { endpoint } of stage) {
      const { contextWindow } = endpoint.settings;
      if (contextWindow > largest) largest = contextWindow;
      if (contextWindow < smallest) smallest = contextWindow;
    }
  }
  if (smallest >= required) return { stages, largest: undefined };
  const least = required * WINDOW_CERTAINTY > largest ? required : Math.min(required, largest);
  const fitting = stages.map((stage) =>
    stage.filter((option) => {
      if (option.endpoint.settings.contextWindow >= least) return true;
      removed.push({ option, filter: WINDOW });
      return false;
    }),
  );
  return { stages: fitting.filter((stage) => stage.length > 0), largest };
}

function contextWindowError(call: Call, largest: number): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_CONTEXT_WINDOW',
    `the call needs about ${requiredContextTokens(call)} tokens; the largest context window is ${largest}`,
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
  return [...tiers].sort(([a], [b]) => a - b).map(([, list]) => list);
}

function noEndpointError({ call, removed }: Plan): AiBalancerError {
  const causes = removed.map(({ option, filter }) => filter.reason(call, option));
  const byEndpoint = removed.map(({ option }, index) => `${option.endpoint.name} (${causes[index] ?? ''})`);
  const model = call.model === undefined ? 'the call' : `'${printable(call.model)}'`;
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
