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
import { accountOf, type ExtraKeys, withExtraKeys } from './more-keys';
import { type QuotaShortage, QuotaWatch } from './quota-watch';
import { readReplay } from './replay';
import { groupLimitsOf, upstreamOf } from './upstreams';
import { workloadOf } from './workload-from-flags';

export interface SimulationJob {
  readonly flags: SimulateFlags;
  /** The date at the start of the run, in Unix milliseconds. Default: that of virtual time. */
  readonly startAtMs?: number;
  /** Keys to add to those of the configuration. */
  readonly extraKeys?: ExtraKeys;
}

export interface SimulationResult {
  readonly figures: Figures;
  readonly digest: string;
  /** The quotas that were exhausted, in the order in which they first were. */
  readonly quotas: readonly (QuotaShortage & {
    /** The first endpoint of the account that the quota is of: a further key is one for all of its endpoints. */
    readonly account: string;
  })[];
  /** The models that a chat may ask for: those that 'auto' chooses from. */
  readonly models: readonly string[];
  /** Endpoints of the configuration without rpm and tpm, of their own or of their quota group. */
  readonly unlimited: readonly string[];
  /** The number of accounts in the configuration. */
  readonly accounts: number;
}

const SAMPLE_INTERVAL_MS = 500;
const CONFIG_LOAD_TIMEOUT_MS = 30_000;

export async function runSimulation(job: unknown, time: VirtualTime): Promise<SimulationResult> {
  const { flags, extraKeys = {} } = job as SimulationJob;
  const restore = fillInKeys();
  const loaded = await awaitInVirtualTime(time, flags.config, loadConfig(flags.config)).finally(restore);
  const changed = withoutEndpoints(loaded, flags.without);
  const own = withoutNetwork(changed);
  // Faults are reported as of the configuration, without copies.
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

/** What the report says of the configuration. */
function describe(
  { endpoints, quotaGroups }: ResolvedConfig,
  own: BalancerConfig,
): Pick<SimulationResult, 'models' | 'unlimited' | 'accounts'> {
  const isLimited = ({ rpm, tpm, inputTpm, outputTpm }: QuotaLimits): boolean =>
    (rpm ?? tpm ?? inputTpm ?? outputTpm) !== undefined;
  const chats = endpoints.filter(({ capabilities }) => capabilities.has('chat'));
  return {
    models: [...new Set(chats.map(({ model }) => model))],
    unlimited: endpoints
      .filter(({ limits, quotaGroup }) => !isLimited({ ...quotaGroups.get(quotaGroup ?? ''), ...limits }))
      .map(({ name }) => name),
    accounts: new Set(endpoints.map(({ name }) => accountOf(own, name))).size,
  };
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

/** `--model`: 'auto', a model or an alias. */
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
