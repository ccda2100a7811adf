// Loaded only in a child process, after virtual time is installed.

import type { ResolvedConfig } from '../../config/options';
import { resolveConfig } from '../../config/resolve';
import { AiBalancerError, type BalancerConfig, type EndpointConfig } from '../../index';
import { loadConfig } from '../config-file';
import { UsageError } from '../usage-error';
import { balancerPolicy } from './engine/balancer-policy';
import type { Figures } from './engine/figures';
import { type RunPlan, runPlan } from './engine/run';
import type { ScheduledFault } from './engine/virtual-provider';
import type { VirtualTime } from './engine/virtual-time';
import type { WorkCall } from './engine/workload';
import type { FaultFlag, SimulateFlags } from './flags';
import { type QuotaShortage, QuotaWatch } from './quota-watch';
import { readReplay } from './replay';
import { groupLimitsOf, upstreamOf } from './upstreams';
import { workloadOf } from './workload-from-flags';

export interface SimulationJob {
  readonly flags: SimulateFlags;
  /** The date at the start of the run, in Unix milliseconds. Default: that of virtual time. */
  readonly startAtMs?: number;
  /** An endpoint to add a copy of, with a key and quota of its own. */
  readonly extraKeyFor?: string;
}

export interface SimulationResult {
  readonly figures: Figures;
  readonly digest: string;
  /** The quotas that were exhausted, in the order in which they first were. */
  readonly quotas: readonly QuotaShortage[];
}

const SAMPLE_INTERVAL_MS = 500;
const CONFIG_LOAD_TIMEOUT_MS = 30_000;

export async function runSimulation(job: unknown, time: VirtualTime): Promise<SimulationResult> {
  const { flags, extraKeyFor } = job as SimulationJob;
  const loaded = await awaitInVirtualTime(time, flags.config, loadConfig(flags.config));
  const changed = withoutEndpoints(loaded, flags.without);
  const config = withoutNetwork(extraKeyFor === undefined ? changed : withExtraKey(changed, extraKeyFor));
  const resolved = resolveOrUsageError(config, flags.config);
  const replay = flags.replay === undefined ? undefined : readReplay(flags.replay, flags.deadlineMs);
  const { seconds } = replay ?? flags;
  const plan = planOf(flags, resolved, replay?.calls);
  const watch = new QuotaWatch();
  const { figures, digest } = await runPlan(time, plan, async (providers) => {
    const policy = await balancerPolicy({
      config,
      providers,
      calls: plan.calls,
      stream: true,
      ...(flags.model === undefined ? {} : { model: flags.model }),
    });
    const since = performance.now();
    const timer = setInterval(() => {
      const elapsed = performance.now() - since;
      if (elapsed <= seconds * 1000) watch.sample(policy.stats(), elapsed / 1000);
    }, SAMPLE_INTERVAL_MS);
    return {
      serve: (call) => policy.serve(call),
      close: () => {
        clearInterval(timer);
        return policy.close?.();
      },
    };
  });
  return { figures, digest, quotas: watch.shortages() };
}

/**
 * Fetches no key, logs nothing, runs no hook and connects to no Redis and no store. `serve` is what the serve command reads
 * of the same file.
 */
function withoutNetwork(config: BalancerConfig): BalancerConfig {
  const {
    cluster: _cluster,
    logger: _logger,
    cache: _cache,
    hooks: _hooks,
    shadow: _shadow,
    serve: _serve,
    ...rest
  } = config as BalancerConfig & { serve?: unknown };
  if (rest.budgets) {
    const { store: _store, ...budgets } = rest.budgets;
    rest.budgets = budgets;
  }
  if (!Array.isArray(config.endpoints)) return rest;
  return { ...rest, endpoints: config.endpoints.map(withoutAddress) };
}

/** Variables of the environment are not needed here: an address of one that is not set, or that the serve command expands. */
function withoutAddress(endpoint: EndpointConfig): EndpointConfig {
  const copy = { ...endpoint, apiKey: 'simulated' };
  const isUnset = Object.hasOwn(endpoint, 'baseURL') && (copy.baseURL === undefined || copy.baseURL === '');
  if (isUnset || String(copy.baseURL).includes('${')) copy.baseURL = 'http://simulated.invalid/v1';
  if (copy.headers) copy.headers = {};
  return copy;
}

/** Leaves out endpoints by name, and what says something of them alone. */
function withoutEndpoints(config: BalancerConfig, without: readonly string[]): BalancerConfig {
  if (without.length === 0 || !Array.isArray(config.endpoints)) return config;
  const names = config.endpoints.map(({ name }) => name);
  const unknown = without.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UsageError(
      `--without: no endpoint is named '${unknown}'; known endpoints: ${names.join(', ')}`,
    );
  const endpoints = config.endpoints.filter(({ name }) => !without.includes(name));
  if (endpoints.length === 0) throw new UsageError('--without: it leaves no endpoint');
  const { quotaGroups, canary, ...rest } = config;
  const groups = Object.entries(quotaGroups ?? {}).filter(([group]) =>
    endpoints.some(({ quotaGroup }) => quotaGroup === group),
  );
  const isTried = endpoints.some(({ name, model }) => name === canary?.endpoint || model === canary?.model);
  return {
    ...rest,
    endpoints,
    ...(groups.length > 0 ? { quotaGroups: Object.fromEntries(groups) } : {}),
    ...(canary && isTried ? { canary } : {}),
  };
}

/** Adds a copy of an endpoint. Another key is another account, so the copy has its own quota. */
function withExtraKey(config: BalancerConfig, name: string): BalancerConfig {
  const original = config.endpoints.find((endpoint) => endpoint.name === name);
  if (!original) throw new Error(`no endpoint '${name}' to copy`);
  const { quotaGroup: _quotaGroup, ...copy } = original;
  const endpoint: EndpointConfig = { ...copy, name: `${name} (one more key)` };
  return { ...config, endpoints: [...config.endpoints, endpoint] };
}

function resolveOrUsageError(config: BalancerConfig, file: string): ResolvedConfig {
  try {
    return resolveConfig(config);
  } catch (error) {
    if (AiBalancerError.isInstance(error)) throw new UsageError(`${file}: ${error.message}`);
    throw error;
  }
}

/** The providers, faults and calls of a simulation. */
export function planOf(
  flags: SimulateFlags,
  { endpoints, quotaGroups }: ResolvedConfig,
  replayed?: readonly WorkCall[],
): RunPlan {
  const names = endpoints.map(({ name }) => name);
  const groups = [...quotaGroups].flatMap(([name, limits]) => {
    const member = endpoints.find(({ quotaGroup }) => quotaGroup === name);
    return member ? [[name, groupLimitsOf(member, limits)] as const] : [];
  });
  return {
    seed: flags.seed,
    providers: endpoints.map(upstreamOf),
    groups: Object.fromEntries(groups),
    faults: [
      ...flags.outages.map((flag) => faultOf('--outage', flag, 'outage', names)),
      ...flags.brownouts.map((flag) => faultOf('--brownout', flag, 'brownout', names)),
    ],
    calls: replayed ?? workloadOf(flags),
  };
}

function faultOf(
  flag: string,
  { endpoint, fromS, forS }: FaultFlag,
  kind: 'outage' | 'brownout',
  names: readonly string[],
): ScheduledFault {
  if (!names.includes(endpoint)) {
    throw new UsageError(`${flag}: no endpoint is named '${endpoint}'; known endpoints: ${names.join(', ')}`);
  }
  return { on: endpoint, fault: { kind }, fromS, toS: fromS + forS };
}

/** Advances virtual time while the configuration loads, because it may wait for a timer. */
async function awaitInVirtualTime<T>(time: VirtualTime, file: string, loading: Promise<T>): Promise<T> {
  const until = time.realMs() + CONFIG_LOAD_TIMEOUT_MS;
  const pending = Symbol('pending');
  for (;;) {
    const state = await Promise.race([loading, new Promise((next) => setImmediate(next, pending))]);
    if (state !== pending) return loading;
    if (time.realMs() > until)
      throw new UsageError(`${file}: did not load within ${CONFIG_LOAD_TIMEOUT_MS / 1000} s`);
    await time.advance(10);
  }
}
