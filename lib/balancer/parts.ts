import { type BudgetedConfig, Budgets } from '../budget/budgets';
import { Cluster } from '../cluster/cluster';
import type { ResolvedConfig } from '../config/options';
import type { EndpointListeners, EndpointSlot } from '../endpoint/endpoint';
import type { ExecutorParts } from '../failover/call-state';
import { Executor } from '../failover/executor';
import { WaitQueue } from '../queue/wait-queue';
import { accountHash } from '../util/account-hash';
import { groupAccount } from './endpoint-registry';
import type { EventReporter } from './event-reporter';

/*
 * How a balancer makes its parts from its configuration. `config` is read whenever it is needed: a reload may have replaced
 * it. `wake` lets waiting calls try again.
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

/** What the configuration limits in US dollars. Accounts tell apart what apps that share a store name alike. */
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
  };
}
