import type { BalancerConfig, EndpointConfig } from '../../index';

/** How many keys are added to those of the configuration, by the endpoint that stands for an account. */
export type ExtraKeys = Readonly<Record<string, number>>;

/** The first endpoint of an account: of its quota group, or itself. Copies of keys belong to their original. */
export function accountOf({ endpoints }: Pick<BalancerConfig, 'endpoints'>, name: string): string {
  const original = name.replace(/ \(key \d+\)$/, '');
  const group = endpoints.find((endpoint) => endpoint.name === original)?.quotaGroup;
  if (group === undefined) return original;
  return endpoints.find(({ quotaGroup }) => quotaGroup === group)?.name ?? original;
}

/** Adds keys. Each is another account: it has a quota of its own, for every endpoint of the account it is a copy of. */
export function withExtraKeys(config: BalancerConfig, extra: ExtraKeys): BalancerConfig {
  const endpoints = [...config.endpoints];
  const quotaGroups = { ...config.quotaGroups };
  for (const [account, count] of Object.entries(extra)) {
    const members = config.endpoints.filter(({ name }) => accountOf(config, name) === account);
    for (let key = 2; key < count + 2; key++) {
      const renamed = (name: string): string => `${name} (key ${String(key)})`;
      for (const { quotaGroup, ...copy } of members) {
        const endpoint: EndpointConfig = { ...copy, name: renamed(copy.name) };
        if (quotaGroup !== undefined) {
          endpoint.quotaGroup = renamed(quotaGroup);
          const limits = config.quotaGroups?.[quotaGroup];
          if (limits) quotaGroups[endpoint.quotaGroup] = limits;
        }
        endpoints.push(endpoint);
      }
    }
  }
  return { ...config, endpoints, ...(config.quotaGroups ? { quotaGroups } : {}) };
}
