import type { BalancerConfig, BudgetOptions, EndpointConfig } from '../../index';

/** The limits that are divided among the processes. */
const LIMITS = [
  ...[
    'rpm',
    'tpm',
    'rpd',
    'tpd',
    'maxConcurrent',
    'usdPerHour',
    'usdPerDay',
    'usdPerMonth',
    'input',
    'output',
  ],
] as const;

const LIMITS_OF_TENANTS = ['usdPerHour', 'usdPerDay', 'usdPerMonth'] as const;

/** Returns the configuration of each process. Without a shared Redis, it contains an equal share of every limit. */
export function shareOf(config: BalancerConfig, workers: number): BalancerConfig {
  if (workers === 1 || config.cluster) return config;
  const share = <T extends object>(limits: T): T => divided(limits, workers);
  const { endpoints, quotaGroups, budgets } = config;
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
    ...(budgets ? { budgets: budgetsShare(budgets, workers) } : {}),
  };
}

function budgetsShare(budgets: BudgetOptions, workers: number): BudgetOptions {
  const { perTenant } = budgets;
  const share = divided(budgets, workers);
  if (!perTenant) return share;
  const functions = LIMITS_OF_TENANTS.flatMap((name) => {
    const limit = perTenant[name];
    if (typeof limit !== 'function') return [];
    const ofTenant = (tenant: string): number | undefined => {
      const usd = limit(tenant);
      return usd === undefined ? undefined : usd / workers;
    };
    return [[name, ofTenant] as const];
  });
  return { ...share, perTenant: { ...divided(perTenant, workers), ...Object.fromEntries(functions) } };
}

function divided<T extends object>(limits: T, workers: number): T {
  const shares = LIMITS.flatMap((name) => {
    const value = (limits as Record<string, unknown>)[name];
    if (typeof value !== 'number') return [];
    // Concurrency is a whole number, and each process needs at least 1.
    const share = name === 'maxConcurrent' ? Math.max(1, Math.floor(value / workers)) : value / workers;
    return [[name, share] as const];
  });
  return { ...limits, ...Object.fromEntries(shares) };
}
