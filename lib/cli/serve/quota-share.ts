import { LIMIT_NAMES } from '../../budget/options';
import type { BalancerConfig, BudgetOptions, EndpointConfig } from '../../index';

const LIMITS_OF_CALLS = ['rpm', 'tpm', 'rpd', 'tpd', 'maxConcurrent', 'input', 'output'] as const;
const LIMITS = [...LIMITS_OF_CALLS, ...LIMIT_NAMES] as const;

/** Returns the configuration of each process. It contains an equal share of every limit that no store shares. */
export function shareOf(config: BalancerConfig, workers: number): BalancerConfig {
  if (workers === 1 || config.cluster) return config;
  const { endpoints, quotaGroups, budgets, shadow } = config;
  const hasStore = budgets?.store !== undefined;
  const names = hasStore ? LIMITS_OF_CALLS : LIMITS;
  const share = <T extends object>(limits: T): T => divided(limits, workers, names);
  return {
    ...config,
    endpoints: endpoints.map((endpoint): EndpointConfig => {
      const { tpm } = endpoint;
      return { ...share(endpoint), ...(typeof tpm === 'object' ? { tpm: share(tpm) } : {}) };
    }),
    ...(quotaGroups
      ? {
          quotaGroups: Object.fromEntries(
            Object.entries(quotaGroups).map(([name, limits]) => [name, share(limits)]),
          ),
        }
      : {}),
    ...(budgets && !hasStore ? { budgets: budgetsShare(budgets, workers) } : {}),
    ...(shadow ? { shadow: share(shadow) } : {}),
  };
}

function budgetsShare(budgets: BudgetOptions, workers: number): BudgetOptions {
  const { perTenant } = budgets;
  const share = divided(budgets, workers, LIMITS);
  if (!perTenant) return share;
  const functions = LIMIT_NAMES.flatMap((name) => {
    const limit = perTenant[name];
    if (typeof limit !== 'function') return [];
    const ofTenant = (tenant: string): number | undefined => {
      const usd = limit(tenant);
      return usd === undefined ? undefined : usd / workers;
    };
    return [[name, ofTenant] as const];
  });
  return {
    ...share,
    perTenant: { ...divided(perTenant, workers, LIMITS), ...Object.fromEntries(functions) },
  };
}

/** @param names The limits that are divided among the processes. */
function divided<T extends object>(limits: T, workers: number, names: readonly string[]): T {
  const shares = names.flatMap((name) => {
    const value = (limits as Record<string, unknown>)[name];
    if (typeof value !== 'number') return [];
    // Concurrency is a whole number, and each process needs at least 1.
    const share = name === 'maxConcurrent' ? Math.max(1, Math.floor(value / workers)) : value / workers;
    return [[name, share] as const];
  });
  return { ...limits, ...Object.fromEntries(shares) };
}
