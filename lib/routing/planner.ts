import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import { affinityKey } from './affinity';
import { FILTERS } from './filters';
import {
  estimateCost,
  neededCapabilities,
  type Option,
  type Plan,
  WINDOW_CERTAINTY,
  windowNeed,
} from './plan';

/** Works out, once a call, which endpoints may serve it and in which order. */
export class Planner {
  readonly #endpoints: readonly Endpoint[];
  readonly #fallbacks: ReadonlyMap<string, readonly string[]>;
  readonly #byModel = new Map<string, Endpoint[]>();

  constructor(endpoints: readonly Endpoint[], fallbacks: ReadonlyMap<string, readonly string[]>) {
    this.#endpoints = endpoints;
    this.#fallbacks = fallbacks;
    for (const endpoint of endpoints) {
      for (const name of new Set([endpoint.settings.model, ...endpoint.settings.aliases])) {
        const list = this.#byModel.get(name);
        if (list) list.push(endpoint);
        else this.#byModel.set(name, [endpoint]);
      }
    }
  }

  /**
   * @param models In place of the call's own model and fallbacks.
   * @throws ERR_AI_NO_ENDPOINT naming the filter that emptied the list; ERR_AI_CONTEXT_WINDOW.
   */
  plan(call: Call, models?: readonly string[]): Plan {
    const { plan, error } = this.survey(call, models);
    if (error) throw error;
    return plan;
  }

  /** The plan, and the error where it leaves nothing to call. */
  survey(call: Call, models?: readonly string[]): { plan: Plan; error?: AiBalancerError } {
    const ranks = models?.map((model) => this.#byModel.get(model) ?? []) ?? this.#ranks(call);
    const removed = new Map<string, string>();
    const needed = neededCapabilities(call);
    const kept: Option[][] = [];
    const seen = new Set<Endpoint>();
    for (const rank of ranks) {
      const options: Option[] = [];
      for (const endpoint of rank) {
        if (seen.has(endpoint)) continue;
        seen.add(endpoint);
        const why = firstReason(call, endpoint, needed);
        if (why !== undefined) removed.set(endpoint.name, why);
        else options.push({ endpoint, charge: endpoint.charge(call), costUsd: estimateCost(call, endpoint) });
      }
      kept.push(options);
    }
    for (const endpoint of this.#endpoints) {
      if (!seen.has(endpoint)) removed.set(endpoint.name, 'model: neither asked for nor a fallback');
    }
    const { ranks: fitting, largest } = fitWindow(call, kept, removed);
    const stages = fitting.flatMap(byTier);
    const key = stages.map((stage) => stage.map(({ endpoint }) => endpoint.name).join()).join('|');
    const plan = { call, stages, removed, key, affinityKey: affinityKey(call) };
    if (stages.length > 0) return { plan };
    return { plan, error: largest === undefined ? nothingLeft(call, removed) : tooLong(call, largest) };
  }

  /** The models an app may name. */
  get models(): readonly string[] {
    return [...this.#byModel.keys()];
  }

  #ranks(call: Call): readonly (readonly Endpoint[])[] {
    const { model } = call;
    if (model === undefined) return [this.#endpoints];
    const asked = this.#byModel.get(model);
    if (asked === undefined && call.endpoint === undefined) {
      throw new AiBalancerError(
        'ERR_AI_NO_ENDPOINT',
        `no endpoint serves the model '${printable(model)}'; the models here are ${this.models.join(', ')}`,
        { status: 404, param: 'model' },
      );
    }
    // Vectors of two models don't mix.
    const next =
      call.operation === 'embeddings' ? [] : (call.fallbacks ?? this.#fallbacksOf(model, asked ?? []));
    return [asked ?? this.#endpoints, ...next.map((name) => this.#byModel.get(name) ?? [])];
  }

  #fallbacksOf(model: string, asked: readonly Endpoint[]): readonly string[] {
    const own = this.#fallbacks.get(model);
    if (own) return own;
    const ofModels = new Set(asked.flatMap(({ settings }) => this.#fallbacks.get(settings.model) ?? []));
    return ofModels.size > 0 ? [...ofModels] : (this.#fallbacks.get('*') ?? []);
  }
}

function firstReason(call: Call, endpoint: Endpoint, needed: readonly string[]): string | undefined {
  for (const filter of FILTERS) {
    const why = filter(call, endpoint, needed);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** Keeps the endpoints whose window fits; where none does but the estimate may be wrong, the largest. */
function fitWindow(
  call: Call,
  ranks: readonly Option[][],
  removed: Map<string, string>,
): { ranks: readonly Option[][]; largest: number | undefined } {
  const need = windowNeed(call);
  const windows = ranks.flat().map(({ endpoint }) => endpoint.settings.contextWindow);
  if (windows.length === 0) return { ranks, largest: undefined };
  const largest = Math.max(...windows);
  const least = need * WINDOW_CERTAINTY > largest ? need : Math.min(need, largest);
  const fitting = ranks.map((options) =>
    options.filter(({ endpoint: { name, settings } }) => {
      if (settings.contextWindow >= least) return true;
      removed.set(name, `context window: ${settings.contextWindow} is below ${need}`);
      return false;
    }),
  );
  return { ranks: fitting, largest };
}

function tooLong(call: Call, largest: number): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_CONTEXT_WINDOW',
    `the call needs about ${windowNeed(call)} tokens, the largest context window here has ${largest}`,
    { status: 400, param: 'messages' },
  );
}

function byTier(options: readonly Option[]): readonly (readonly Option[])[] {
  const tiers = new Map<number, Option[]>();
  for (const option of options) {
    const { tier } = option.endpoint.settings;
    const list = tiers.get(tier);
    if (list) list.push(option);
    else tiers.set(tier, [option]);
  }
  return [...tiers].sort(([a], [b]) => a - b).map(([, list]) => list);
}

function nothingLeft(call: Call, removed: ReadonlyMap<string, string>): AiBalancerError {
  const reasons = [...removed]
    .filter(([, why]) => !why.startsWith('model:'))
    .map(([name, why]) => `${name} by ${why}`);
  const model = call.model === undefined ? 'the call' : `'${printable(call.model)}'`;
  const detail = reasons.length > 0 ? `: ${reasons.slice(0, 20).join('; ')}` : '';
  return new AiBalancerError('ERR_AI_NO_ENDPOINT', `the filters leave no endpoint for ${model}${detail}`, {
    status: 404,
  });
}

/** A model's name comes from the caller: bounded, and without anything that breaks a log line. */
function printable(name: string): string {
  return name.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
}
