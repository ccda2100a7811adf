import { tryNewModel } from '../../examples/canary/canary';

describe('The canary example', () => {
  it('rolls back a model that fails, without a failure for customers', async () => {
    const { event, failed } = await tryNewModel(0.5, 1_000);
    expect(event).toMatchObject({ name: 'gpt-4.1', state: 'rolled-back' });
    expect(event?.calls).toBeLessThan(200);
    expect(failed).toBe(0);
  });
});
