import { Bucket } from '../../lib/quota/bucket';
import { BucketSharing } from '../../lib/quota/bucket-sharing';

/** A limit of 60,000 per minute hands out 0.98 units per millisecond. */
const RATE = 0.98;

/** The sharing of a limit of 1 unit per millisecond among the given number of processes. */
function sharingAmong(members: number): BucketSharing {
  const sharing = new BucketSharing();
  sharing.setMembers(members);
  return sharing;
}

describe('A limit shared by processes', () => {
  it('is shared as soon as one process belongs to the cluster', () => {
    expect(new BucketSharing().isShared).toBe(false);
    expect(sharingAmong(1).isShared).toBe(true);
    expect(sharingAmong(1).share).toBe(1);
  });

  it.each([
    ['all of it without a cluster', 0, 900],
    ['all of it in a process on its own', 1, 900],
    ['half of it among two processes', 2, 450],
    ['a third of it among three', 3, 300],
  ])('corrects %s', (_title, members, part) => {
    expect(sharingAmong(members).ownCorrection(900)).toBe(part);
  });

  it.each([0, 1])('takes a deviation in full with %d processes', (members) => {
    expect(sharingAmong(members).withoutPeerUsage(-300, 1)).toBe(-300);
  });

  it.each([
    [-2_000, -1_500],
    [2_000, 1_500],
    [-501, -1],
    [500, 0],
    [-300, 0],
  ])('reduces a deviation of %d units by 500 ms of the limit, to %d, with two processes', (seen, left) => {
    expect(sharingAmong(2).withoutPeerUsage(seen, 1)).toBeCloseTo(left);
  });

  it('allows peers 500 ms of whatever the limit is', () => {
    expect(sharingAmong(2).withoutPeerUsage(-2_000, 2)).toBeCloseTo(-1_000);
  });
});

describe("The peers' usage of a shared limit", () => {
  it('is not learnt from the first level in Redis, as the time behind it is unknown', () => {
    const sharing = sharingAmong(2);
    sharing.observe(500, 0, 1);
    expect(sharing.peerRate(1)).toBe(0);
  });

  it('approaches what is missing between two levels, with a time constant of 2 s', () => {
    const sharing = sharingAmong(2);
    sharing.observe(0, 1_000, 1);
    sharing.observe(600, 3_000, 1);
    // 600 units in 2 s are 0.3 per millisecond; after one time constant 63.2 % of that is learnt.
    expect(sharing.peerRate(1)).toBeCloseTo(0.3 * 0.63212, 5);
    sharing.observe(-200, 5_000, 1);
    expect(sharing.peerRate(1)).toBeCloseTo(0.2 * 0.63212, 5);
  });

  it('counts two levels of the same moment as 1 ms apart', () => {
    const sharing = sharingAmong(2);
    sharing.observe(0, 0, 1);
    sharing.observe(100, 0, 1);
    expect(sharing.peerRate(1)).toBeCloseTo(0.05, 4);
  });

  it('is never below zero', () => {
    const sharing = sharingAmong(2);
    sharing.observe(0, 0, 1);
    sharing.observe(-1_000, 2_000, 1);
    expect(sharing.peerRate(1)).toBe(0);
    sharing.observe(600, 4_000, 1);
    expect(sharing.peerRate(1)).toBeCloseTo(0.3 * 0.63212, 5);
  });

  it.each([
    [2, 1, 0.5],
    [4, 1, 0.75],
    [4, 0.8, 0.6],
    [20, 1, 0.9],
  ])(
    "is at most the peers' fair share and 90 %% of the limit: with %d processes at rate %d, %d",
    (members, rate, most) => {
      const sharing = sharingAmong(members);
      sharing.observe(0, 0, 1);
      sharing.observe(1e6, 2_000, 1);
      expect(sharing.peerRate(rate)).toBeCloseTo(most);
    },
  );

  it('is at most 90 % of a larger limit too', () => {
    const sharing = sharingAmong(100);
    sharing.observe(0, 0, 2);
    sharing.observe(1e6, 2_000, 2);
    expect(sharing.peerRate(2)).toBeCloseTo(1.8);
  });

  it('is forgotten when the process gets a share of its own', () => {
    const sharing = sharingAmong(2);
    sharing.observe(0, 0, 1);
    sharing.observe(600, 2_000, 1);
    sharing.setShare(0.5);
    expect(sharing.share).toBe(0.5);
    expect(sharing.peerRate(1)).toBe(0);
    sharing.observe(600, 4_000, 1);
    expect(sharing.peerRate(1)).toBe(0);
  });
});

describe('A bucket of a cluster', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 0 });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  /** A bucket of 9,800 units, full at time 0, that two processes share. */
  function shared(): Bucket {
    const bucket = new Bucket({ limit: 60_000, burstSeconds: 10 });
    bucket.setSharing(10_000, 2);
    return bucket;
  }

  it('has the depth that the processes agree on', () => {
    const bucket = shared();
    expect(bucket.depth).toBeCloseTo(9_800);
    bucket.setSharing(5_000, 2);
    expect(bucket.depth).toBeCloseTo(4_900);
    expect(bucket.level(0)).toBeCloseTo(4_900);
  });

  it('has the level in Redis, at most its depth', () => {
    const bucket = shared();
    bucket.syncLevel(2_000, 0);
    expect(bucket.level(0)).toBe(2_000);
    bucket.syncLevel(20_000, 0);
    expect(bucket.level(0)).toBeCloseTo(9_800);
  });

  it('refills more slowly by what peers take', () => {
    const bucket = shared();
    bucket.syncLevel(0, 0);
    // A full bucket tells nothing about peers, so the estimate begins with the second level.
    bucket.syncLevel(0, 0);
    // This process expects 1,960 units after 2 s.
    bucket.syncLevel(1_360, 2_000);
    expect(bucket.rate).toBeCloseTo(RATE - 0.3 * 0.63212, 5);
  });

  it('learns nothing about peers while it is full, as the level that it would have had is unknown', () => {
    const bucket = shared();
    bucket.take(100, 0);
    bucket.syncLevel(9_700, 0);
    bucket.syncLevel(9_000, 2_000);
    expect(bucket.level(2_000)).toBe(9_000);
    expect(bucket.rate).toBeCloseTo(RATE);
  });

  it('corrects half of what headers show beyond the 490 units that peers may have taken in 500 ms', () => {
    const bucket = shared();
    const snapshot = bucket.snapshot(0);
    bucket.correct(snapshot, snapshot.level - 2_000, 0);
    expect(bucket.level(0)).toBeCloseTo(9_800 - (2_000 - 490) / 2);
  });

  it('is not slowed by external usage in headers, which the level in Redis already reflects', () => {
    const bucket = shared();
    for (const at of [0, 20_000]) {
      const snapshot = bucket.snapshot(at);
      bucket.correct(snapshot, snapshot.level - 2_000, at);
    }
    expect(bucket.rate).toBeCloseTo(RATE);
  });

  it('keeps its depth when headers show a deeper one, and reports the observed depth to its peers', () => {
    const bucket = shared();
    bucket.correct(bucket.snapshot(0), 19_600, 0);
    expect(bucket.depth).toBeCloseTo(9_800);
    expect(bucket.observedDepthMs).toBeCloseTo(20_000);
  });

  it('with a share has that part of rate, depth and headroom, and the given level up to the depth', () => {
    const bucket = shared();
    bucket.setShare(0.5, 1_000, 0);
    expect(bucket.rate).toBeCloseTo(0.5 * RATE);
    expect(bucket.depth).toBeCloseTo(4_900);
    expect(bucket.headroom).toBeCloseTo(196);
    expect(bucket.level(0)).toBe(1_000);
    bucket.setShare(0.25, 9_800, 0);
    expect(bucket.level(0)).toBeCloseTo(2_450);
  });

  it('compares a remaining in headers with the whole depth, not with the depth of its share', () => {
    const bucket = shared();
    bucket.setShare(0.5, 0, 0);
    bucket.correct(bucket.snapshot(0), 9_000, 0);
    expect(bucket.observedDepthMs).toBe(0);
    bucket.correct(bucket.snapshot(0), 9_900, 0);
    expect(bucket.observedDepthMs).toBeCloseTo(9_900 / RATE);
  });
});
