import { runNight } from '../../examples/nightly-batch/main';

describe('the nightly batch beside the shop', () => {
  it('uses the same key by its own client, without a 429 at a strict provider and to at least 95 % of the limit', async () => {
    const night = await runNight(13);
    expect(night.refused).toBe(0);
    expect(night.usedShare).toBeGreaterThan(0.95);
    // They take turns, by tokens.
    expect(night.batchShare).toBeGreaterThan(0.4);
    expect(night.batchShare).toBeLessThan(0.6);
  });
});
