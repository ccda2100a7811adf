import { resolveConfig } from '../../config/resolve';
import { AiBalancerError, type BalancerConfig } from '../../index';
import { UsageError } from '../usage-error';
import type { Migration } from './migration';
import { type DraftEndpoint, type Value, Variable } from './value';

type Fields = Readonly<Record<string, Value | undefined>>;

/** Returns the configuration to write. @throws UsageError with its first fault */
export function configOf(migration: Migration): Fields {
  const { endpoints, options, file } = migration;
  if (endpoints.length === 0)
    throw new UsageError(migration.redact(`${file}: no endpoint can be written${reasonOf(migration)}`));
  dropEqualWeights(endpoints);
  if (options.strategy === 'weighted' && endpoints.length === 1) options.strategy = undefined;
  const config = { endpoints: endpoints.map(fieldsOf), ...options };
  try {
    resolveConfig(withValues(config) as BalancerConfig);
  } catch (error) {
    if (!AiBalancerError.isInstance(error)) throw error;
    const [, fault] = error.message.split('\n');
    throw new UsageError(
      migration.redact(`${file}: gives an invalid configuration: ${placeOf(fault ?? '', endpoints)}`),
    );
  }
  return config;
}

function reasonOf({ firstEndpointLeftOut }: Migration): string {
  return firstEndpointLeftOut === undefined ? '' : `: ${firstEndpointLeftOut}`;
}

/** Adds the path in the source to a fault of the written configuration. */
function placeOf(fault: string, endpoints: readonly DraftEndpoint[]): string {
  const index = /^ *endpoints\[(\d+)\]/.exec(fault)?.[1];
  const endpoint = index === undefined ? undefined : endpoints[Number(index)];
  return endpoint ? `${fault.trim()} (from ${endpoint.path})` : fault.trim();
}

/** Drops weights that have no effect, because all endpoints that a call can choose from have the same. */
function dropEqualWeights(endpoints: readonly DraftEndpoint[]): void {
  const weights = new Map<string, Set<Value>>();
  const namesOf = ({ model, aliases }: DraftEndpoint): string[] => [model, ...aliases];
  for (const endpoint of endpoints)
    for (const name of namesOf(endpoint))
      weights.set(name, (weights.get(name) ?? new Set()).add(endpoint.settings.weight ?? 1));
  for (const endpoint of endpoints) {
    const isEqual = namesOf(endpoint).every((name) => weights.get(name)?.size === 1);
    if (isEqual && endpoint.settings.weight !== 0) delete endpoint.settings.weight;
  }
}

function fieldsOf({ name, model, aliases, tier, settings }: DraftEndpoint): Fields {
  const { provider, baseURL, apiKey, weight, ...rest } = settings;
  return {
    name,
    model,
    aliases: aliases.size > 0 ? [...aliases] : undefined,
    provider,
    baseURL,
    apiKey,
    weight,
    tier: tier > 0 ? tier : undefined,
    ...rest,
  };
}

/** Returns the configuration with example values in place of the variables. */
function withValues(value: Value | undefined, name = ''): unknown {
  if (value instanceof Variable) {
    if (value.use === 'number') return 1;
    if (name === 'baseURL') return 'http://variable.invalid/v1';
    return name === 'redis' ? 'redis://variable.invalid' : 'variable';
  }
  if (Array.isArray(value)) return value.map((each: Value) => withValues(each));
  if (typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([key, each]) => [key, withValues(each as Value, key)]),
  );
}
