import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { estimateCost } from './plan';

/** Says why an endpoint can't serve a call, or undefined. Looks at nothing that changes from moment to moment. */
export type Filter = (call: Call, endpoint: Endpoint, needed: readonly string[]) => string | undefined;

const byName: Filter = (call, endpoint) =>
  call.endpoint === undefined || call.endpoint === endpoint.name
    ? undefined
    : 'endpoint: another was asked for';

const byCapability: Filter = (_call, endpoint, needed) => {
  const missing = needed.find((capability) => !endpoint.settings.capabilities.has(capability));
  return missing === undefined ? undefined : `capability: no ${missing}`;
};

const byTags: Filter = (call, endpoint) => {
  const missing = call.context.tags?.find((tag) => !endpoint.settings.tags.has(tag));
  return missing === undefined ? undefined : `tags: not tagged '${missing}'`;
};

const byQuality: Filter = (call, endpoint) => {
  const { minQuality } = call.context;
  const { quality } = endpoint.settings;
  return minQuality !== undefined && quality < minQuality
    ? `quality: ${quality} is below ${minQuality}`
    : undefined;
};

const byCost: Filter = (call, endpoint) => {
  const { maxCostPer1k } = call.context;
  if (maxCostPer1k === undefined) return undefined;
  const cost = estimateCost(call, endpoint);
  // What costs an unknown amount passes no ceiling.
  if (cost === undefined) return 'cost: no price is known';
  const per1k = (cost / (call.promptTokens + call.expectedOutputTokens)) * 1_000;
  return per1k > maxCostPer1k
    ? `cost: ${per1k.toPrecision(3)} USD per 1,000 tokens is above ${maxCostPer1k}`
    : undefined;
};

const bySize: Filter = (call, endpoint) => {
  const exceeded = endpoint.exceededBy(endpoint.charge(call));
  return exceeded === undefined
    ? undefined
    : `quota: ${exceeded.units} tokens are more than its ${exceeded.allowed} ${exceeded.limit}`;
};

/** In the order in which they are told. */
export const FILTERS: readonly Filter[] = [byName, byCapability, byTags, byQuality, byCost, bySize];
