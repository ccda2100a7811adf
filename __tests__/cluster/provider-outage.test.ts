import { until } from '../helpers/async';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Member } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterEach(() => rig.close());

requires('redis-server').describe('Cluster: an outage of a provider that one process has detected', () => {
  it('stops new calls of the other processes', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const config = {
      endpoints: [provider.endpoint()],
      // It stays open for the length of the test.
      breaker: { resetTimeoutMs: 20_000 },
      retry: { maxAttempts: 1 },
      cluster: { redis: redis.url },
    };
    const [reporter, other] = (await rig.members(2, config)) as [Member, Member];
    const healthy = await other.load({ perSecond: 10, forMs: 300 });
    expect(healthy.every(({ code }) => code === undefined)).toBe(true);

    await provider.provider.fault({ kind: 'err5xx' });
    await reporter.load({ perSecond: 20, forMs: 1_000, timeoutMs: 1_000 });
    expect(await stateOf(reporter)).toBe('open');
    await until(() => openedAt(other) !== undefined);
    const { seen } = await provider.provider.stats();
    expect(await stateOf(other)).toBe('open');
    const refused = await other.load({ perSecond: 10, forMs: 500, timeoutMs: 5_000 });
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['ERR_AI_UNAVAILABLE']));
    expect((await provider.provider.stats()).seen).toBe(seen);

    expect(openedAt(other)! - openedAt(reporter)!).toBeLessThan(10_000);
  });
});

function openedAt({ events }: Member): number | undefined {
  return events.find(({ name, event }) => name === 'breaker' && (event as { state: string }).state === 'open')
    ?.at;
}

async function stateOf(member: Member): Promise<string | undefined> {
  return (await member.stats()).endpoints[0]?.state;
}
