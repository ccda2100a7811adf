import { spendADay } from '../../examples/budgets/budgets';

describe('the budgets example', () => {
  it('spends its budget and no more, and reports when it is near and reached', async () => {
    const { answered, refused, spentUsd, events } = await spendADay(0.02, 200);
    expect(answered + refused).toBe(200);
    expect(refused).toBeGreaterThan(0);
    expect(spentUsd).toBeLessThanOrEqual(0.02);
    expect(spentUsd).toBeGreaterThan(0.015);
    expect(events.map(({ change }) => change)).toEqual(['near', 'reached']);
  });
});
