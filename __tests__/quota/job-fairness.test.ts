import { JobFairness } from '../../lib/quota/job-fairness';

describe('Calls and jobs that wait for one limit', () => {
  it('put nothing before the other while only one kind waits', () => {
    const fairness = new JobFairness();
    expect(fairness.claimedBefore('calls', 0)).toBe(0);
    fairness.claim('calls', 100, 0);
    expect(fairness.claimedBefore('calls', 0)).toBe(0);
  });

  it('put the claim of a kind that waits before a taker that does not', () => {
    const fairness = new JobFairness();
    fairness.claim('calls', 100, 0);
    expect(fairness.claimedBefore('jobs', 0)).toBe(100);
    fairness.endClaim('calls');
    fairness.claim('jobs', 30, 0);
    expect(fairness.claimedBefore('calls', 0)).toBe(30);
  });

  it('take turns: jobs first, then the kind that has taken less', () => {
    const fairness = new JobFairness();
    const first = () => (fairness.claimedBefore('jobs', 0) === 0 ? 'jobs' : 'calls');
    fairness.claim('calls', 100, 0);
    fairness.claim('jobs', 30, 0);
    expect([fairness.claimedBefore('jobs', 0), fairness.claimedBefore('calls', 0)]).toEqual([0, 30]);
    fairness.recordTaken('jobs', 30, 0);
    expect([fairness.claimedBefore('jobs', 0), fairness.claimedBefore('calls', 0)]).toEqual([100, 0]);
    fairness.recordTaken('calls', 30, 0);
    expect(first()).toBe('jobs');
    fairness.recordTaken('jobs', 30, 0);
    fairness.recordTaken('calls', 29, 0);
    expect(first()).toBe('calls');
    fairness.recordTaken('calls', 2, 0);
    expect(first()).toBe('jobs');
  });

  it('start again at nothing once one kind does not wait', () => {
    const fairness = new JobFairness();
    fairness.claim('calls', 100, 0);
    fairness.claim('jobs', 30, 0);
    fairness.recordTaken('jobs', 500, 0);
    fairness.endClaim('calls');
    fairness.recordTaken('jobs', 30, 0);
    fairness.claim('calls', 100, 0);
    expect(fairness.claimedBefore('jobs', 0)).toBe(0);
    fairness.recordTaken('jobs', 500, 0);
    fairness.endClaim('jobs');
    fairness.recordTaken('jobs', 1, 0);
    fairness.claim('jobs', 30, 0);
    expect(fairness.claimedBefore('jobs', 0)).toBe(0);
  });

  it('lose a claim that is not renewed for two seconds', () => {
    const fairness = new JobFairness();
    fairness.claim('calls', 100, 1_000);
    expect(fairness.claimedBefore('jobs', 2_999)).toBe(100);
    expect(fairness.claimedBefore('jobs', 3_000)).toBe(0);
    fairness.claim('calls', 100, 3_000);
    expect(fairness.claimedBefore('jobs', 3_001)).toBe(100);
  });
});
