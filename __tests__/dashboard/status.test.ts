import type { LastFailure } from '../../lib/dashboard/endpoint-activity';
import { currentState } from '../../lib/dashboard/status';

const NO_RATES = { attemptsPerMinute: 0, failuresPerMinute: 0, usdPerMinute: 0 };
const ENDPOINT = { name: 'main', state: 'closed', weight: 1, failures: 0, inFlight: 2 };

/** The state of a balancer with one endpoint. */
function stateOf(endpoint: object = {}, failure?: LastFailure, stats: object = {}) {
  const balancer = {
    stats: () => ({ total: 1, healthy: 1, endpoints: [{ ...ENDPOINT, ...endpoint }], budgets: [], ...stats }),
  };
  const monitor = {
    activity: { rates: () => NO_RATES, lastFailure: () => failure },
    history: { slice: () => ({ ok: [], failed: [], shed: [], usd: [] }), p95Ms: () => null },
  };
  return currentState(balancer as never, monitor as never);
}

describe('The reason that the dashboard shows for an endpoint', () => {
  it.each<[object, LastFailure | undefined, string | undefined]>([
    [{ state: 'closed' }, { class: 'server' }, undefined],
    [{ state: 'closed', weight: 0 }, undefined, 'Its weight is 0: it takes no calls.'],
    [{ state: 'disabled' }, undefined, 'Disabled: it takes no calls until it is enabled.'],
    [{ state: 'cooldown' }, undefined, 'Its quota group is cooling down.'],
    [{ state: 'cooldown' }, { class: 'rate_limited', status: 429 }, 'rate_limited (HTTP 429)'],
    [
      { state: 'cooldown' },
      { class: 'unauthorized', status: 401, code: 'invalid_api_key', message: 'no such key' },
      'unauthorized (HTTP 401, invalid_api_key): no such key',
    ],
    [{ state: 'open', failures: 5 }, undefined, '5 failed in a row'],
    [{ state: 'open', failures: 0 }, undefined, 'Too many failures'],
    [{ state: 'half-open', failures: 5 }, { class: 'connection' }, '5 failed in a row; last: connection'],
  ])('with %j and the last failure %j is %p', (endpoint, failure, reason) => {
    expect(stateOf(endpoint, failure).endpoints[0]?.reason).toBe(reason);
  });
});

describe('The totals of the dashboard', () => {
  it('have neither cluster nor budgets without any', () => {
    const { totals } = stateOf();
    expect(totals).not.toHaveProperty('cluster');
    expect(totals).not.toHaveProperty('budgets');
    expect(totals.inFlight).toBe(2);
  });

  it('have the cluster, and the 20 budgets that are spent most', () => {
    const budgets = Array.from({ length: 25 }, (_, n) => ({ name: `b${n}`, spentUsd: n, limitUsd: 100 }));
    const { totals } = stateOf({}, undefined, { cluster: { mode: 'shared', members: 3 }, budgets });
    expect(totals.cluster).toEqual({ mode: 'shared', members: 3 });
    expect(totals.budgets).toHaveLength(20);
    expect(totals.budgets?.[0]?.spentUsd).toBe(24);
  });
});
