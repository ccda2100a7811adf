// Loaded only in a child process, after virtual time is installed.

import type { ResolvedConfig } from '../../config/options';
import { resolveConfig } from '../../config/resolve';
import { AiBalancerError, type BalancerConfig, type EndpointConfig } from '../../index';
import type { QuotaLimits } from '../../quota/options';
import { didYouMean } from '../../util/did-you-mean';
import { loadConfig } from '../config-file';
import { UsageError } from '../usage-error';
import { reportProgress } from './child-job';
import { balancerPolicy } from './engine/balancer-policy';
import type { Figures } from './engine/figures';
import { type RunPlan, runPlan } from './engine/run';
import type { ScheduledFault } from './engine/virtual-provider';
import type { VirtualTime } from './engine/virtual-time';
import type { WorkCall } from './engine/workload';
import type { FaultFlag, SimulateFlags } from './flags';
import { fillInKeys } from './missing-keys';
import { accountOf, alikeAccounts, type ExtraKeys, withExtraKeys } from './more-keys';
import { type QuotaShortage, QuotaWatch } from './quota-watch';
import { readReplay } from './replay';
import { groupLimitsOf, upstreamOf } from './upstreams';
import { workloadOf } from './workload-from-flags';

export interface SimulationJob {
  readonly flags: SimulateFlags;
  /** The date at the start of the run, in Unix milliseconds. Default: the fixed start of virtual time. */
  readonly startAtMs?: number;
  /** Number of keys to add to those of the configuration. Default: none. */
  readonly extraKeys?: ExtraKeys;
}

export interface SimulationResult {
  readonly figures: Figures;
  readonly digest: string;
  /** The quotas that were exhausted, in the order in which they first ran out. */
  readonly quotas: readonly (QuotaShortage & {
    /** Name of the first endpoint of the account that has the quota. An additional key is for all its endpoints. */
    readonly account: string;
  })[];
  /** The models that can serve chats, from which 'auto' chooses. */
  readonly models: readonly string[];
  /** Names of endpoints without rpm and tpm, either of their own or of their quota group. */
  readonly unlimited: readonly string[];
  /** The number of accounts in the configuration. */
  readonly accounts: number;
  /** The groups of accounts that differ only in names and keys. */
  readonly alike: readonly (readonly string[])[];
}

const SAMPLE_INTERVAL_MS = 500;
const CONFIG_LOAD_TIMEOUT_MS = 30_000;

export async function runSimulation(job: unknown, time: VirtualTime): Promise<SimulationResult> {
  const { flags, extraKeys = {} } = job as SimulationJob;
  const restore = fillInKeys();
  const loaded = await awaitInVirtualTime(time, flags.config, loadConfig(flags.config)).finally(restore);
  const changed = withoutEndpoints(loaded, flags.without);
  const own = withoutNetwork(changed);
  // Checked before copies for extra keys are added, so that faults have the paths of the user's configuration.
  const configured = resolveOrUsageError(own, flags.config);
  checkModel(flags.model, configured);
  const config = withExtraKeys(own, extraKeys);
  const resolved = resolveConfig(config);
  const replay = flags.replay === undefined ? undefined : readReplay(flags.replay, flags.deadlineMs);
  const { seconds } = replay ?? flags;
  const plan = planOf(flags, resolved, replay?.calls);
  const watch = new QuotaWatch(resolved.endpoints);
  const { figures, digest } = await runPlan(time, plan, async (providers) => {
    const sent = (name: string): number =>
      providers.find((provider) => provider.name === name)?.attempts ?? 0;
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
      if (elapsed > seconds * 1000) return;
      watch.sample(policy.stats(), elapsed / 1000, sent);
      reportProgress(elapsed / (seconds * 1000));
    }, SAMPLE_INTERVAL_MS);
    return {
      serve: (call) => policy.serve(call),
      close: () => {
        clearInterval(timer);
        return policy.close?.();
      },
    };
  });
  const quotas = watch
    .shortages()
    .map((shortage) => ({ ...shortage, account: accountOf(own, shortage.endpoint) }));
  return { figures, digest, quotas, ...describe(configured, own) };
}

/** Returns the models, accounts and unlimited endpoints of the configuration, for the report. */
function describe(
  { endpoints, quotaGroups }: ResolvedConfig,
  own: BalancerConfig,
): Pick<SimulationResult, 'models' | 'unlimited' | 'accounts' | 'alike'> {
  const isLimited = ({ rpm, tpm, inputTpm, outputTpm }: QuotaLimits): boolean =>
    (rpm ?? tpm ?? inputTpm ?? outputTpm) !== undefined;
  const chats = endpoints.filter(({ capabilities }) => capabilities.has('chat'));
  return {
    models: [...new Set(chats.map(({ model }) => model))],
    unlimited: endpoints
      .filter(({ limits, quotaGroup }) => !isLimited({ ...quotaGroups.get(quotaGroup ?? ''), ...limits }))
      .map(({ name }) => name),
    accounts: new Set(endpoints.map(({ name }) => accountOf(own, name))).size,
    alike: alikeAccounts(own),
  };
}

/**
 * Returns the configuration without keys, logger, cache, hooks, shadow, Redis and stores, so that a simulation has no
 * effects outside the process. Also drops `serve`, the options of the serve command in the same file.
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

/**
 * Replaces the key and the headers of an endpoint, and a base URL that is unset or contains `${...}`, because a
 * simulation must not need environment variables.
 */
function withoutAddress(endpoint: EndpointConfig): EndpointConfig {
  const copy = { ...endpoint, apiKey: 'simulated' };
  const isUnset = Object.hasOwn(endpoint, 'baseURL') && (copy.baseURL === undefined || copy.baseURL === '');
  if (isUnset || String(copy.baseURL).includes('${')) copy.baseURL = 'http://simulated.invalid/v1';
  if (copy.headers) copy.headers = {};
  return copy;
}

/** Removes endpoints by name, and the options that refer only to them. */
function withoutEndpoints(config: BalancerConfig, without: readonly string[]): BalancerConfig {
  if (without.length === 0 || !Array.isArray(config.endpoints)) return config;
  const names = config.endpoints.map(({ name }) => name);
  const unknown = without.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UsageError(
      `--without: no endpoint is named '${unknown}'${nearest(unknown, names, 'endpoints')}`,
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

/** Checks `--model`, which must be 'auto', a model or an alias. */
function checkModel(model: string | undefined, { endpoints }: ResolvedConfig): void {
  const known = [...new Set(endpoints.flatMap((endpoint) => [endpoint.model, ...endpoint.aliases]))];
  if (model === undefined || model === 'auto' || known.includes(model)) return;
  throw new UsageError(`--model: no endpoint serves '${model}'${nearest(model, known, 'models')}`);
}

function nearest(name: string, known: readonly string[], kind: string): string {
  const near = didYouMean(name, known) ?? known.find((each) => each.includes(name));
  return `${near === undefined ? '' : `: did you mean '${near}'?`}; known ${kind}: ${known.join(', ')}`;
}

function resolveOrUsageError(config: BalancerConfig, file: string): ResolvedConfig {
  try {
    return resolveConfig(config);
  } catch (error) {
    if (AiBalancerError.isInstance(error)) throw new UsageError(`${file}: ${error.message}`);
    throw error;
  }
}

/** Returns the providers, faults and calls of a simulation. */
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
    throw new UsageError(
      `${flag}: no endpoint is named '${endpoint}'${nearest(endpoint, names, 'endpoints')}`,
    );
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
