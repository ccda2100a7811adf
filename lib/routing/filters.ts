import type { Call } from '../call/call';
import { dialectCall } from '../provider/dialect';
import { callAppSync } from '../util/app-function';
import { neededCapabilities, type Option, requiredContextTokens } from './plan';

/** Removes endpoints that cannot serve a call. Independent of the current load and health. */
interface Filter {
  removes(call: Call, option: Option): boolean;
  /** Why the endpoint was removed. Evaluated only for reports and errors. */
  reason(call: Call, option: Option): string;
}

const byName: Filter = {
  removes: (call, { endpoint }) => call.endpoint !== endpoint.name,
  reason: () => 'endpoint: the call names another endpoint',
};

const byTags: Filter = {
  removes: (call, option) => missingTag(call, option) !== undefined,
  reason: (call, option) => `tags: lacks the tag '${missingTag(call, option) ?? ''}'`,
};

const byQuality: Filter = {
  removes: ({ context }, { endpoint }) => endpoint.settings.quality < (context.minQuality ?? 0),
  reason: ({ context }, { endpoint }) =>
    `quality: ${endpoint.settings.quality} is below ${context.minQuality ?? 0}`,
};

const byCost: Filter = {
  // An endpoint without a price passes no price ceiling.
  removes: (call, option) => costPer1k(call, option) > (call.context.maxCostPer1k ?? Infinity),
  reason: (call, option) =>
    option.costUsd === undefined
      ? 'cost: the endpoint has no price'
      : `cost: ${costPer1k(call, option).toPrecision(3)} USD per 1,000 tokens is above ${call.context.maxCostPer1k ?? ''}`,
};

const bySize: Filter = {
  removes: (call, { endpoint }) => endpoint.exceededBy(call) !== undefined,
  reason: (call, { endpoint }) => {
    const exceeded = endpoint.exceededBy(call);
    return exceeded
      ? `quota: ${exceeded.units} tokens exceed the limit of ${exceeded.allowed} ${exceeded.limit}`
      : 'quota: larger than the limit';
  },
};

/** Applied after the others: when no window fits but the estimate may be wrong, the largest window is tried. */
export const WINDOW: Pick<Filter, 'reason'> = {
  reason: (call, { endpoint }) =>
    `context window: ${endpoint.settings.contextWindow} is below ${requiredContextTokens(call)}`,
};

/** The filters that are relevant to a call, in the order in which they are applied and reported. */
export function filtersFor(call: Call): readonly Filter[] {
  const { tags, minQuality, maxCostPer1k } = call.context;
  const filters = [byCapability(neededCapabilities(call)), byDialect()];
  if (call.endpoint !== undefined) filters.push(byName);
  if (tags !== undefined && tags.length > 0) filters.push(byTags);
  if (minQuality !== undefined) filters.push(byQuality);
  if (maxCostPer1k !== undefined) filters.push(byCost);
  filters.push(bySize);
  return filters;
}

function byCapability(needed: readonly string[]): Filter {
  const missing = ({ endpoint }: Option): string | undefined => {
    const { capabilities } = endpoint.settings;
    for (const capability of needed) if (!capabilities.has(capability)) return capability;
    return undefined;
  };
  return {
    removes: (_call, option) => missing(option) !== undefined,
    reason: (_call, option) => `capability: lacks '${missing(option) ?? ''}'`,
  };
}

/** What a dialect can't express depends on the call and the model alone: endpoints of one model are asked once. */
function byDialect(): Filter {
  let known: Map<string, string | undefined> | undefined;
  const unsupported = (call: Call, { endpoint }: Option): string | undefined => {
    const { dialect, settings } = endpoint;
    if (!dialect.operations.includes(call.operation)) return call.operation;
    if (dialect.unsupported === undefined) return undefined;
    const { provider, model } = settings;
    const key = `${provider}\n${model}`;
    known ??= new Map();
    if (!known.has(key)) {
      const ask = (): string | undefined => dialect.unsupported?.(dialectCall(call), settings);
      known.set(key, callAppSync('unsupported() of a dialect', ask));
    }
    return known.get(key);
  };
  return {
    removes: (call, option) => unsupported(call, option) !== undefined,
    reason: (call, option) =>
      `dialect: ${option.endpoint.settings.provider} does not support '${unsupported(call, option) ?? ''}'`,
  };
}

function missingTag({ context }: Call, { endpoint }: Option): string | undefined {
  return context.tags?.find((tag) => !endpoint.settings.tags.has(tag));
}

/** USD per 1,000 tokens (prompt and expected output). */
function costPer1k(call: Call, { costUsd }: Option): number {
  if (costUsd === undefined) return Infinity;
  return (costUsd / (call.promptTokens + call.expectedOutputTokens)) * 1_000;
}
