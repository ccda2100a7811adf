import { ClusterRig, type Member } from '../../__tests__/cluster/harness';
import { pause } from './figures';

/** CPU of a process without calls, while its peers have none and while they make 500 per second. */
export async function idle(isQuick: boolean): Promise<void> {
  const forMs = isQuick ? 5_000 : 20_000;
  const rig = new ClusterRig();
  const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
  const [idler, ...busy] = (await rig.members(3, {
    endpoints: [provider.endpoint({ rpm: 36_000, tpm: 3_600_000 })],
    cluster: { redis: redis.url },
  })) as [Member, Member, Member];
  // The work of the start is done by then.
  await pause(8_000);
  const spent = async (during: () => Promise<unknown>): Promise<string> => {
    const before = await idler.cpu();
    await during();
    const after = await idler.cpu();
    return ((100 * (after.usedMs - before.usedMs)) / (after.uptimeMs - before.uptimeMs)).toFixed(2);
  };
  const quiet = await spent(() => pause(forMs));
  const traffic = await spent(() =>
    Promise.all(busy.map((member) => member.load({ perSecond: 250, forMs }))),
  );
  await rig.close();
  console.log('CPU of an idle process, in % of a core');
  console.table([
    { peers: 'no calls', '% of a core': quiet },
    { peers: '500 calls per second', '% of a core': traffic },
  ]);
}
