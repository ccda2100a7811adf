import type { BalancerConfig, EndpointConfig } from '../../index';

/** Number of keys to add for each account, by the name of the account's first endpoint. */
export type ExtraKeys = Readonly<Record<string, number>>;

/**
 * Returns the name that stands for an endpoint's account: that of the first endpoint of its quota group, or its own.
 * For a copy that was added with an extra key, it is that of the original's account.
 */
export function accountOf({ endpoints }: Pick<BalancerConfig, 'endpoints'>, name: string): string {
  const original = name.replace(/ \(key \d+\)$/, '');
  const group = endpoints.find((endpoint) => endpoint.name === original)?.quotaGroup;
  if (group === undefined) return original;
  return endpoints.find(({ quotaGroup }) => quotaGroup === group)?.name ?? original;
}

/** Returns the groups of accounts that differ only in names and keys, each with at least two accounts. */
export function alikeAccounts(config: Pick<BalancerConfig, 'endpoints' | 'quotaGroups'>): string[][] {
  const members = new Map<string, unknown[]>();
  for (const { name, apiKey: _key, quotaGroup, ...endpoint } of config.endpoints) {
    const account = accountOf(config, name);
    const limits = quotaGroup === undefined ? undefined : config.quotaGroups?.[quotaGroup];
    members.set(account, [...(members.get(account) ?? []), [endpoint, limits]]);
  }
  const groups = new Map<string, string[]>();
  for (const [account, endpoints] of members) {
    const text = JSON.stringify(endpoints);
    groups.set(text, [...(groups.get(text) ?? []), account]);
  }
  return [...groups.values()].filter(({ length }) => length > 1);
}

/** Adds keys. Each is an account of its own, with copies of all endpoints and quotas of the original account. */
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
