import type { BalancerConfig, BudgetOptions, EndpointConfig } from '../../index';

const LIMITS_IN_USD = ['usdPerHour', 'usdPerDay', 'usdPerMonth'] as const;
/** The limits that are divided among the processes. */
const LIMITS = ['rpm', 'tpm', 'rpd', 'tpd', 'maxConcurrent', 'input', 'output', ...LIMITS_IN_USD] as const;

/** Returns the configuration of each process. It contains an equal share of every limit that no store shares. */
export function shareOf(config: BalancerConfig, workers: number): BalancerConfig {
  if (workers === 1 || config.cluster) return config;
  const { endpoints, quotaGroups, budgets, shadow } = config;
  const hasStore = budgets?.store !== undefined;
  const share = <T extends object>(limits: T): T => {
    const kept = hasStore ? picked(limits, LIMITS_IN_USD) : {};
    return { ...divided(limits, workers), ...kept };
  };
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
  const share = divided(budgets, workers);
  if (!perTenant) return share;
  const functions = LIMITS_IN_USD.flatMap((name) => {
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

function picked(limits: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(limits).filter(([name]) => names.includes(name)));
}
