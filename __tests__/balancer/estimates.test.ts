import { answer, BODY, Rig, statsOf } from '../failover/upstream';

const rig = new Rig();

it('Balancer: calls with a huge estimatedOutputTokens are served and do not open the breaker', async () => {
  const { balancer } = await rig.start({ a: answer() });
  for (let call = 0; call < 8; call++) {
    await balancer.chat(BODY, { estimatedOutputTokens: 2e8 });
  }
  expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0 });
});

it.each([
  ['NaN as a priority', { priority: Number.NaN }, 'priority'],
  ['a priority of 7', { priority: 7 }, 'priority'],
  ['a negative deadline', { timeoutMs: -1 }, 'timeoutMs'],
  ['a NaN estimate', { estimatedTokens: Number.NaN }, 'estimatedTokens'],
  ['a negative price', { maxCostPer1k: -1 }, 'maxCostPer1k'],
  ['a misspelled option', { priorty: 5 }, 'priorty'],
])(
  'Balancer: %s is rejected as a bad request that names the option, and nothing is sent',
  async (_, options, param) => {
    const { balancer, upstream } = await rig.start({ a: answer() });
    await expect(balancer.chat(BODY, options as never)).rejects.toMatchObject({
      code: 'ERR_AI_BAD_REQUEST',
      status: 400,
      param,
    });
    expect(upstream.requests).toHaveLength(0);
  },
);
