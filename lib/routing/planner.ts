import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
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
    if (kept.every((options) => options.length === 0)) throw nothingLeft(call, removed);
    const fitting = fitWindow(call, kept, removed);
    const stages = fitting.flatMap(byTier);
    return {
      call,
      stages,
      removed,
      key: stages.map((s) => s.map((o) => o.endpoint.name).join(',')).join('|'),
    };
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
): readonly Option[][] {
  const need = windowNeed(call);
  const windows = ranks.flat().map(({ endpoint }) => endpoint.settings.contextWindow);
  const largest = Math.max(...windows);
  if (need * WINDOW_CERTAINTY > largest) {
    throw new AiBalancerError(
      'ERR_AI_CONTEXT_WINDOW',
      `the call needs about ${need} tokens, the largest context window here has ${largest}`,
      { status: 400, param: 'messages' },
    );
  }
  const least = Math.min(need, largest);
  return ranks.map((options) =>
    options.filter(({ endpoint }) => {
      const fits = endpoint.settings.contextWindow >= least;
      if (!fits)
        removed.set(endpoint.name, `context window: ${endpoint.settings.contextWindow} is below ${need}`);
      return fits;
    }),
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
