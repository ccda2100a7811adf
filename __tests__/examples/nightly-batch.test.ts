import { runNight } from '../../examples/nightly-batch/main';

describe('The nightly-batch example', () => {
  it("uses the shop's key through its own client, without a 429 and up to at least 95 % of the limit", async () => {
    const night = await runNight(13);
    expect(night.refused).toBe(0);
    expect(night.usedShare).toBeGreaterThan(0.95);
    // They take turns, by tokens.
    expect(night.batchShare).toBeGreaterThan(0.4);
    expect(night.batchShare).toBeLessThan(0.6);
  });
});
