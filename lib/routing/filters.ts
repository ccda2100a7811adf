import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { type Dialect, dialectCall } from '../provider/dialect';
import { nativeRequest } from '../responses/native-route';
import { callAppSync } from '../util/app-function';
import type { CallNeeds } from './needs';

/** Explains why a filter has removed an endpoint, for reports and errors. It holds no request body. */
export interface RemovalReason {
  reason(needs: CallNeeds, endpoint: Endpoint, costUsd: number | undefined): string;
}

/** Removes endpoints that cannot serve a call, independent of current load and health. */
export interface Filter {
  /** @param costUsd Estimated price of the call at the endpoint; undefined if the endpoint has no price. */
  removes(needs: CallNeeds, endpoint: Endpoint, costUsd: number | undefined): boolean;
  readonly removal: RemovalReason;
}

const byCapability: Filter = {
  removes: (needs, endpoint) => missingCapability(needs, endpoint) !== undefined,
  removal: {
    reason: (needs, endpoint) => `capability: lacks '${missingCapability(needs, endpoint) as string}'`,
  },
};

const byName: Filter = {
  removes: (needs, endpoint) => needs.endpoint !== endpoint.name,
  removal: { reason: () => 'endpoint: the call names another endpoint' },
};

const byTags: Filter = {
  removes: (needs, endpoint) => missingTag(needs, endpoint) !== undefined,
  removal: { reason: (needs, endpoint) => `tags: lacks the tag '${missingTag(needs, endpoint) as string}'` },
};

const byQuality: Filter = {
  removes: ({ minQuality }, { settings }) => settings.quality < minQuality,
  removal: {
    reason: ({ minQuality }, { settings }) => `quality: ${settings.quality} is below ${minQuality}`,
  },
};

const byCost: Filter = {
  // An endpoint without a price counts as exceeding every price ceiling.
  removes: (needs, _endpoint, costUsd) => costPer1k(needs, costUsd) > needs.maxCostPer1k,
  removal: {
    reason: (needs, _endpoint, costUsd) =>
      costUsd === undefined
        ? 'cost: the endpoint has no price'
        : `cost: ${costPer1k(needs, costUsd).toPrecision(3)} USD per 1,000 tokens is above ${needs.maxCostPer1k}`,
  },
};

const bySize: Filter = {
  removes: ({ quotaCost }, endpoint) => endpoint.exceededBy(quotaCost) !== undefined,
  removal: {
    reason: ({ quotaCost }, endpoint) => {
      const exceeded = endpoint.exceededBy(quotaCost);
      return exceeded
        ? `quota: ${exceeded.units} tokens exceed the limit of ${exceeded.allowed} ${exceeded.limit}`
        : 'quota: larger than the limit';
    },
  },
};

/** Applied after the other filters: if no window fits but the estimate may be too high, the largest window is tried. */
export const WINDOW: RemovalReason = {
  reason: ({ contextTokens }, { settings }) =>
    `context window: ${settings.contextWindow} is below ${contextTokens}`,
};

/** The filters that are relevant to a call, in the order in which they are applied and reported. */
export function filtersFor(call: Call, needs: CallNeeds): readonly Filter[] {
  const filters = [byCapability, byDialect(call)];
  if (needs.endpoint !== undefined) filters.push(byName);
  if (needs.tags.length > 0) filters.push(byTags);
  if (needs.minQuality > 0) filters.push(byQuality);
  if (needs.maxCostPer1k < Infinity) filters.push(byCost);
  if (call.responses?.nativeOnly !== undefined) filters.push(byKeptResponse(call));
  filters.push(bySize);
  return filters;
}

/** Removes endpoints of other accounts if the request refers to something that one account stores. */
function byKeptResponse(call: Call): Filter {
  return {
    removes: (_needs, endpoint) => nativeRequest(call, endpoint) === undefined,
    removal: { reason: () => 'responses: another account keeps what the request refers to' },
  };
}

function byDialect(call: Call): Filter {
  const removal = new UnsupportedFeatures();
  return { removes: (_needs, endpoint) => removal.of(call, endpoint) !== undefined, removal };
}

/**
 * What a dialect can't express depends only on the call and the model, so the dialect is asked once per call and model.
 */
class UnsupportedFeatures implements RemovalReason {
  readonly #byDialect = new Map<Dialect, Map<string, string | undefined>>();

  /** The first feature of the call that the endpoint's dialect does not support, if any. */
  of(call: Call, { dialect, settings }: Endpoint): string | undefined {
    if (dialect.unsupported === undefined && dialect.operations.includes(call.operation)) return undefined;
    let known = this.#byDialect.get(dialect);
    if (known === undefined) this.#byDialect.set(dialect, (known = new Map<string, string | undefined>()));
    const { model } = settings;
    if (known.has(model)) return known.get(model);
    const feature = dialect.operations.includes(call.operation)
      ? callAppSync('unsupported() of a dialect', () => dialect.unsupported?.(dialectCall(call), settings))
      : call.operation;
    known.set(model, feature);
    return feature;
  }

  reason(_needs: CallNeeds, { dialect, settings }: Endpoint): string {
    const feature = this.#byDialect.get(dialect)?.get(settings.model) ?? '';
    return `dialect: ${settings.provider} does not support '${feature}'`;
  }
}

function missingCapability({ capabilities }: CallNeeds, { settings }: Endpoint): string | undefined {
  const offered = settings.capabilities;
  for (const capability of capabilities) if (!offered.has(capability)) return capability;
  return undefined;
}

function missingTag({ tags }: CallNeeds, { settings }: Endpoint): string | undefined {
  return tags.find((tag) => !settings.tags.has(tag));
}

/** Estimated price in USD per 1,000 tokens of prompt and expected output. */
function costPer1k({ promptTokens, expectedOutputTokens }: CallNeeds, costUsd: number | undefined): number {
  if (costUsd === undefined) return Infinity;
  return (costUsd / (promptTokens + expectedOutputTokens)) * 1_000;
}
