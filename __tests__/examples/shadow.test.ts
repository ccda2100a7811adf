import { compareModels } from '../../examples/shadow/shadow';

describe('The shadow example', () => {
  it('compares a new model with the old one, which still serves every customer', async () => {
    const { answered, compared, costUsd } = await compareModels(100);
    expect(answered).toBe(100);
    expect(compared).toBeGreaterThan(20);
    expect(compared).toBeLessThan(80);
    expect(costUsd.live).toBeGreaterThan(0);
    expect(costUsd.shadow).toBeGreaterThan(0);
  });
});
