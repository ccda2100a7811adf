import { answer, BODY, chatText, error, type Responder, Rig, rejection, statsOf } from '../failover/upstream';

const rig = new Rig();

/** Answers one request at a time, each after `ms` milliseconds, like a local server with one slot. */
function oneAtATime(ms: number): Responder {
  let last = Promise.resolve();
  return (arrival) => {
    last = last.then(() => new Promise((resolve) => setTimeout(resolve, ms))).then(() => answer()(arrival));
  };
}

describe('An endpoint that answers other calls does not count as silent', () => {
  it('so 20 calls to a server with one slot and one answer per 250 ms are all served with a closed breaker', async () => {
    const { balancer } = await rig.start({ a: oneAtATime(250) });
    const served = await Promise.all(Array.from({ length: 20 }, () => balancer.chat(BODY)));
    expect(served).toHaveLength(20);
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0 });
  });

  it('so calls that wait behind a stream of five seconds do not count against the server', async () => {
    const { balancer } = await rig.start({
      a: (arrival) => {
        const write = (content: string) =>
          arrival.res.write(
            `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`,
          );
        if (arrival.nth > 1) return void setTimeout(() => answer()(arrival), 4_500);
        arrival.res.writeHead(200, { 'content-type': 'text/event-stream' });
        write('Hello');
        const words = setInterval(() => write(' again'), 500);
        setTimeout(() => {
          clearInterval(words);
          arrival.res.end(
            `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`,
          );
        }, 5_000);
      },
    });
    const streamed = chatText(balancer, true);
    while (statsOf(balancer, 'a').inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const others = Array.from({ length: 6 }, () => balancer.chat(BODY));
    await Promise.all([streamed, ...others]);
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0 });
  });
});

describe('The expected duration of an answer takes max_tokens into account', () => {
  it('so six calls of 4 s with max_tokens of 2000 do not count as silent after 24 short calls', async () => {
    const { balancer } = await rig.start(
      {
        a: (arrival) => {
          if (arrival.body['max_tokens'] === undefined) answer()(arrival);
          else setTimeout(() => answer()(arrival), 4_000);
        },
      },
      { models: { m: { latency: { firstTokenMs: 1, msPerPromptToken: 0, msPerOutputToken: 2 } } } },
    );
    for (let n = 0; n < 24; n++) await balancer.chat(BODY);
    await Promise.all(Array.from({ length: 6 }, () => balancer.chat({ ...BODY, max_tokens: 2_000 })));
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0 });
  });
});

describe('A call counts at most once against an endpoint', () => {
  it('so a call that fails five times at the only endpoint does not open its breaker, but five calls do', async () => {
    const { balancer, upstream } = await rig.start(
      { a: error(500) },
      { retry: { baseDelayMs: 1, maxDelayMs: 2, budgetPerSecond: 100 } },
    );
    await rejection(balancer.chat(BODY));
    expect(upstream.count('a')).toBeGreaterThanOrEqual(4);
    expect(statsOf(balancer, 'a').state).toBe('closed');
    for (let n = 0; n < 4; n++) await rejection(balancer.chat(BODY));
    expect(statsOf(balancer, 'a').state).toBe('open');
  });
});
