import { type BudgetedConfig, type BudgetedPart, Budgets } from '../budget/budgets';
import type { PrepareParts } from '../call/prepare';
import type { ExpectedOutput } from '../call/tokens';
import { Cluster } from '../cluster/cluster';
import type { ResolvedConfig } from '../config/options';
import type { EndpointListeners, EndpointSlot } from '../endpoint/endpoint';
import type { ExecutorParts } from '../failover/call-state';
import { Executor } from '../failover/executor';
import { WaitQueue } from '../queue/wait-queue';
import { classify } from '../routing/classify';
import type { ResolvedShadow } from '../shadow/options';
import { Shadow } from '../shadow/shadow';
import { accountHash } from '../util/account-hash';
import { type EndpointRegistry, groupAccount } from './endpoint-registry';
import type { EventReporter } from './event-reporter';

/*
 * Functions that create the components of a balancer from its configuration. A `config` function is called each time it
 * is needed, because a reload may have replaced the configuration. `wake` makes waiting calls try again.
 */

export function createCluster(
  { cluster }: ResolvedConfig,
  events: EventReporter,
  wake: () => void,
): Cluster | undefined {
  if (!cluster) return undefined;
  return new Cluster(cluster, {
    onMode: (mode, members, reason) => events.clusterModeChanged(mode, members, reason),
    onFault: (key) => events.clusterKeyUnusable(key),
    onCapacity: wake,
  });
}

export function createQueue(config: () => ResolvedConfig, events: EventReporter): WaitQueue<EndpointSlot> {
  return new WaitQueue<EndpointSlot>({
    get maxSize() {
      return config().queue.maxSize;
    },
    get maxBytes() {
      return config().queue.maxBytes;
    },
    onChange: (change) => events.queueChanged(change),
  });
}

export function createBudgets(
  cluster: Cluster | undefined,
  config: () => ResolvedConfig,
  events: EventReporter,
  wake: () => void,
): Budgets {
  return new Budgets(
    {
      cluster,
      onOutage: () => config().cluster?.onOutage ?? 'local-share',
      onEvent: (event) => events.budgetChanged(event),
      onForgotten: (maxTenants) => events.tenantForgotten(maxTenants),
      onCapacity: wake,
    },
    budgetedConfig(config()),
  );
}

export function createExecutor(
  events: EventReporter,
  parts: Omit<ExecutorParts, 'onAttempt' | 'onHedge'>,
): Executor {
  return new Executor({
    ...parts,
    onAttempt: (call, endpoint, attempt) => events.attemptEnded(call, endpoint, attempt),
    onHedge: ({ context }, { late, hedge, won }) =>
      events.hedged({ requestId: context.requestId, late: late.name, endpoint: hedge.name, won }),
  });
}

export function registryListeners(events: EventReporter, wake: () => void): EndpointListeners {
  return {
    onState: (endpoint, state) => events.breakerChanged(endpoint, state),
    onDropped: (name, features) => events.featuresDropped(name, features),
    onCooldown: (endpoint, detail, cooldownMs, shouldWarn) =>
      events.cooldownStarted(endpoint, detail, cooldownMs, shouldWarn),
    onCapacity: wake,
    quotaListener: ({ name }) => events.quotaListener(name),
  };
}

/**
 * Returns what the configuration limits in US dollars. `sharedName` contains a hash of the account, because two apps
 * that share a Redis may use the same name for different accounts.
 */
export function budgetedConfig(config: ResolvedConfig): BudgetedConfig {
  return {
    budgets: config.budgets,
    endpoints: config.endpoints.map(({ name, baseURL, apiKey, model, spendLimits }) => ({
      name,
      sharedName: `${name} ${accountHash(baseURL, apiKey, model)}`,
      limits: spendLimits,
    })),
    groups: [...config.groupBudgets].map(([name, limits]) => ({
      name,
      sharedName: `${name} ${groupAccount(name, config) ?? ''}`,
      limits,
    })),
    shadow: config.shadow && shadowBudget(config.shadow),
  };
}

function shadowBudget({ model, endpoint, limits }: ResolvedShadow): BudgetedPart {
  const name = model ?? endpoint ?? '';
  return { name, sharedName: name, limits };
}

export function prepareParts(
  { endpoints, estimateTokens, classify: own }: ResolvedConfig,
  expectedOutput: ExpectedOutput,
): PrepareParts {
  const outputs = endpoints.map(({ maxOutputTokens = Infinity, contextWindow }) =>
    Math.min(maxOutputTokens, contextWindow),
  );
  return {
    classify: own ?? classify,
    estimateTokens,
    expectedOutput,
    maxOutputTokens: Math.max(...outputs),
    totalMs: {
      chat: Math.max(...endpoints.map(({ timeouts }) => timeouts.totalMs)),
      embeddings: Math.max(...endpoints.map(({ timeouts }) => timeouts.embeddingsMs)),
    },
  };
}

/** Returns undefined without the option `shadow`. */
export function createShadow(
  { shadow, http }: ResolvedConfig,
  events: EventReporter,
  { queue, budgets, registry }: ShadowSources,
): Shadow | undefined {
  if (!shadow) return undefined;
  return new Shadow(shadow, http.maxResponseBytes, {
    endpoints: () => registry.endpoints,
    isWaitedFor: (quota) => queue.isWaitedFor(quota),
    budget: () => budgets.shadow,
    onEvent: (event) => events.shadowEnded(event),
    onCompareFailed: (error) => events.hookFailed('shadow.compare()', error),
  });
}

/** The components that a shadow reads. */
export interface ShadowSources {
  readonly queue: WaitQueue<EndpointSlot>;
  readonly budgets: Budgets;
  readonly registry: EndpointRegistry;
}
