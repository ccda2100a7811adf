import { spendADay } from '../../examples/budgets/budgets';

describe('The budgets example', () => {
  it('spends no more than its budget, and reports when it is nearly and when it is fully spent', async () => {
    const { answered, refused, spentUsd, events } = await spendADay(0.02, 200);
    expect(answered + refused).toBe(200);
    expect(refused).toBeGreaterThan(0);
    expect(spentUsd).toBeLessThanOrEqual(0.02);
    expect(spentUsd).toBeGreaterThan(0.015);
    expect(events.map(({ change }) => change)).toEqual(['near', 'reached']);
  });
});
