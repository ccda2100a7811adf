import { requires } from '../helpers/requires';
import { ClusterRig, type ObservedLimit, usedShare, worstExcess } from './harness';

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const REQUESTS: ObservedLimit = { unit: 'requests', perMinute: 600 };
const TOKENS: ObservedLimit = { unit: 'tokens', perMinute: 60_000 };
const RUN_MS = 20_000;
/** Until then the full buckets of the start are drained. */
const DRAINED_MS = 4_000;

requires('redis-server').describe(
  'a quota of four processes, one of them with its clock a minute ahead',
  () => {
    it('is kept in every window under ten times the load, and used', async () => {
      const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
      const config = {
        endpoints: [provider.endpoint({ rpm: REQUESTS.perMinute, tpm: TOKENS.perMinute })],
        cluster: { redis: redis.url },
      };
      const members = await Promise.all(
        [0, 0, 0, 60_000].map((clockShiftMs) => rig.member({ config, clockShiftMs })),
      );
      const startedAt = Date.now();
      const outcomes = await Promise.all(
        members.map((member) => member.load({ perSecond: 25, forMs: RUN_MS, timeoutMs: 5_000 })),
      );
      const admissions = await provider.admissions();
      for (const limit of [REQUESTS, TOKENS]) {
        expect(worstExcess(admissions, limit)).toBeLessThanOrEqual(0);
        const used = usedShare(admissions, limit, startedAt + DRAINED_MS, startedAt + RUN_MS);
        expect(used).toBeGreaterThan(0.9);
      }
      // Nobody is left out, whatever its clock says.
      for (const own of outcomes) {
        const answered = own.filter(({ code }) => code === undefined).length;
        expect(answered).toBeGreaterThan(admissions.length / 10);
      }
    });
  },
);
