import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { AiBalancerError } from 'express-ai-balancer';
import { type Fault, seededRandom, startProvider } from 'express-ai-balancer/simulator';
import { answer, BODY, endStream, Rig, startStream, until } from './upstream';

const rig = new Rig();

const FAULTS: Fault[] = [
  { kind: 'err5xx', share: 0.03 },
  { kind: 'reset', share: 0.03 },
  { kind: 'cut', share: 0.03 },
  { kind: 'stall', share: 0.015 },
  { kind: 'silence', share: 0.015 },
  { kind: 'bad_answer', form: 'truncated_json', share: 0.03 },
  { kind: 'bad_answer', form: 'no_finish', share: 0.03 },
  { kind: 'error', status: 429, headers: { 'retry-after-ms': '5' }, share: 0.03, afterMs: 2 },
  { kind: 'error', status: 400, share: 0.015, afterMs: 1 },
];

/** What a call may end with here, besides an answer. */
const ENDS = /^ERR_AI_(ALL_FAILED|BAD_REQUEST|STREAM_BROKEN|DEADLINE|ABORTED|UNAVAILABLE|SATURATED)$/;

it('Soak: after 300 calls with every kind of fault and callers that leave, every slot and reservation is settled', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  const random = seededRandom(11);
  const providers = await Promise.all(
    [1, 2, 3].map((seed) =>
      startProvider({
        seed,
        errorShare: 0,
        timeScale: 0.002,
        models: { m: { ttftMs: 400, rpm: 60_000, tpm: 9e6 } },
      }),
    ),
  );
  for (const provider of providers) {
    rig.use(() => provider.close());
    for (const fault of FAULTS) provider.fault(fault);
  }
  const limits = { rpm: 60_000, tpm: 6_000_000, maxConcurrent: 20 };
  const { balancer } = await rig.start(
    {},
    {
      timeouts: { firstTokenMs: 800, stallMs: 600, totalMs: 10_000 },
      breaker: { resetTimeoutMs: 20, maxResetTimeoutMs: 60 },
      retry: { baseDelayMs: 5 },
      hedge: {},
      more: providers.map(({ url }, n) => ({
        name: `e${n}`,
        model: 'm',
        baseURL: url,
        tier: n % 2,
        ...limits,
      })),
    },
  );
  const ends = new Map<string, number>();
  const one = async (): Promise<void> => {
    const caller = new AbortController();
    if (random() < 0.2) setTimeout(() => caller.abort(), random() * 60);
    const options = { signal: caller.signal, timeoutMs: 8_000 };
    let end = 'ok';
    try {
      if (random() < 0.5) await balancer.chat(BODY, options);
      else {
        const stream = await balancer.chat({ ...BODY, stream: true }, options);
        for await (const chunk of stream) if (random() < 0.01 && chunk.choices.length > 0) break;
      }
    } catch (thrown) {
      end = (thrown as AiBalancerError).code;
    }
    ends.set(end, (ends.get(end) ?? 0) + 1);
  };
  for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 60 }, one));
  // The losers of hedges end a moment later.
  await until(() => balancer.stats().endpoints.every(({ inFlight }) => inFlight === 0));
  for (const end of ends.keys()) if (end !== 'ok') expect(end).toMatch(ENDS);
  expect(ends.get('ok')).toBeGreaterThan(80);
  expect([...ends.values()].reduce((a, b) => a + b)).toBe(300);
  expect(balancer.stats().queue.size).toBe(0);
  for (const { requestsLeft, tokensLeft } of balancer.stats().endpoints) {
    expect(requestsLeft).not.toBeNaN();
    expect(tokensLeft).toBeLessThanOrEqual(6_000_000);
  }
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

it('Soak: a closed balancer leaves no socket open', async () => {
  const { balancer, upstream } = await rig.start({ a: answer() });
  await Promise.all(Array.from({ length: 5 }, () => balancer.chat(BODY)));
  expect(upstream.sockets.size).toBeGreaterThan(0);
  await balancer.close();
  await until(() => upstream.sockets.size === 0);
});

it('Soak: a long stream is not retained in memory while it runs', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const { balancer } = await rig.start({
    a: (arrival) => {
      for (let n = 0; n < 500; n++) startStream(arrival, `part ${n} `);
      setTimeout(() => endStream(arrival), 200);
    },
  });
  const seen: WeakRef<object>[] = [];
  const stream = await balancer.chat({ ...BODY, stream: true });
  let text = '';
  for await (const chunk of stream) {
    seen.push(new WeakRef(chunk));
    text += chunk.choices[0]?.delta.content ?? '';
    if (seen.length % 100 !== 0) continue;
    await new Promise((resolve) => setTimeout(resolve, 5));
    gc();
  }
  expect(text).toContain('part 499');
  const kept = seen.slice(0, 300).filter((ref) => ref.deref() !== undefined).length;
  expect(kept).toBeLessThan(150);
});
