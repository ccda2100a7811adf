import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Load, type ObservedLimit, unitsLate, usedShare, worstExcess } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterEach(() => rig.close());

/** A small bucket shows an excess soon. */
const BURST_SECONDS = 3;
const REQUESTS: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: BURST_SECONDS };
const TOKENS: ObservedLimit = { unit: 'tokens', perMinute: 60_000, burstSeconds: BURST_SECONDS };
/** Small calls: each process keeps most of a lease of tokens, and the limiter is full again when the rush begins. */
const QUIET = { perSecond: 2, forMs: 1_200, timeoutMs: 1_000, tokens: { prompt: 1, output: 1 } };
const RUSH_MS = 8_000;
/** The tokens are used up slightly before the requests. */
const RUSH = { perSecond: 25, forMs: RUSH_MS, timeoutMs: 1_000, tokens: { prompt: 66, output: 44 } };
/** By then the initially full buckets are drained. */
const DRAINED_MS = 2_000;

requires('redis-server').describe(
  'Cluster: the quota of four processes, one of which has its clock a minute ahead,',
  () => {
    it('is used up, and not exceeded in any window, when the load rises to ten times the limit', async () => {
      const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
      const limits = { rpm: REQUESTS.perMinute, tpm: TOKENS.perMinute, burstSeconds: BURST_SECONDS };
      const config = { endpoints: [provider.endpoint(limits)], cluster: { redis: redis.url } };
      const members = await Promise.all(
        [0, 0, 0, 60_000].map((clockShiftMs) => rig.member({ config, clockShiftMs })),
      );
      const play = (load: Load) => Promise.all(members.map((member) => member.load(load)));
      await play(QUIET);
      const startedAt = Date.now();
      const outcomes = await play(RUSH);
      const admissions = await provider.admissions();
      for (const limit of [REQUESTS, TOKENS])
        expect(worstExcess(admissions, limit)).toBeLessThanOrEqual(await unitsLate(members, limit));
      const used = usedShare(admissions, TOKENS, startedAt + DRAINED_MS, startedAt + RUSH_MS);
      expect(used).toBeGreaterThan(0.75);
      // Every process gets its part, whatever its clock says.
      for (const own of outcomes) {
        const answered = own.filter(({ code }) => code === undefined).length;
        expect(answered).toBeGreaterThan(admissions.length / 10);
      }
    });
  },
);
