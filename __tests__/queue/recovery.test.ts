import { answer, BODY, error, Rig, rejection, statsOf, until } from '../failover/upstream';

const rig = new Rig();

/** Starts one endpoint whose breaker has just opened, but which is healthy again. */
async function startBroken(breaker: object, quota: object = {}) {
  let isDown = true;
  const { balancer, upstream } = await rig.start(
    { a: (arrival) => (isDown ? error(500) : answer())(arrival) },
    {
      breaker: { consecutiveFailures: 1, rampMs: 0, ...breaker },
      retry: { maxAttempts: 1 },
      each: { a: quota },
    },
  );
  await rejection(balancer.chat(BODY));
  expect(statsOf(balancer, 'a').state).toBe('open');
  isDown = false;
  return { balancer, upstream };
}

describe('While the breaker of the only endpoint is open,', () => {
  it('calls wait in the queue for the probe and are served after it', async () => {
    const { balancer, upstream } = await startBroken({ resetTimeoutMs: 1_500 });
    const calls = Array.from({ length: 5 }, () => balancer.chat(BODY).withRoute());
    await until(() => balancer.stats().queue.size === 5);
    for (const { route } of await Promise.all(calls)) expect(route.waitMs).toBeGreaterThan(20);
    expect(upstream.count('a')).toBe(1 + 5);
    expect(balancer.stats().queue.size).toBe(0);
  });

  it('the densest call is the probe', async () => {
    const { balancer } = await startBroken({ resetTimeoutMs: 1_000 });
    const order: number[] = [];
    await Promise.all(
      ([1, 3, 5, 2] as const).map(async (priority) => {
        await balancer.chat(BODY, { priority });
        order.push(priority);
      }),
    );
    expect(order[0]).toBe(5);
  });

  it('explain() reports the time until the probe', async () => {
    const { balancer } = await startBroken({ resetTimeoutMs: 20_000 });
    const { pick, waitMs } = balancer.explain(BODY);
    expect(pick).toBe('a');
    expect(waitMs).toBeGreaterThan(10_000);
    expect(waitMs).toBeLessThanOrEqual(20_000);
  });

  it('a call that cannot meet its deadline after the probe fails at once, with the time until the probe as retryAfterMs', async () => {
    const { balancer } = await startBroken({ resetTimeoutMs: 20_000 });
    const from = performance.now();
    const failed = await rejection(balancer.chat(BODY, { timeoutMs: 10_000 }));
    expect(failed).toMatchObject({ code: 'ERR_AI_UNAVAILABLE', status: 503, retryable: true });
    expect((failed as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(10_000);
    expect(performance.now() - from).toBeLessThan(8_000);
  });
});

it('After a recovery, waiting calls start in a slow start: a few at first, then more and more over rampMs', async () => {
  const held: (() => void)[] = [];
  let isDown = true;
  const { balancer, upstream } = await rig.start(
    {
      a: (arrival) => {
        if (isDown) error(500)(arrival);
        else held.push(() => answer()(arrival));
      },
    },
    {
      breaker: { consecutiveFailures: 1, resetTimeoutMs: 100, rampMs: 2_000 },
      retry: { maxAttempts: 1 },
      hedge: false,
    },
  );
  await rejection(balancer.chat(BODY));
  isDown = false;
  const calls = Array.from({ length: 100 }, () => balancer.chat(BODY));
  await until(() => held.length === 1);
  const answeredAt = performance.now();
  held[0]!();
  await until(() => statsOf(balancer, 'a').state === 'closed');
  await until(() => statsOf(balancer, 'a').inFlight >= 4);
  await until(() => upstream.count('a') === 101);
  // A busy machine makes requests later, never earlier.
  const early = upstream.requests.filter(({ at }) => at >= answeredAt && at < answeredAt + 500).length;
  expect(early).toBeLessThan(40);
  for (const respond of held.slice(1)) respond();
  await Promise.all(calls);
  expect(statsOf(balancer, 'a').inFlight).toBe(0);
});
