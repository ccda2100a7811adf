import { Balancer, type ChatStream } from 'express-ai-balancer';
import { type FleetProcess, startFleetProcess } from 'express-ai-balancer/simulator';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { HELLO, until } from '../helpers/provider';

requireExclusiveMachine();

const STREAMS = 1_000;
const TOKENS = 24;
const NAMES = ['a', 'b', 'c', 'd'];
const BODY = { ...HELLO, stream: true, metadata: { simulate_output_tokens: String(TOKENS) } } as const;
/** Nearly half of each endpoint's streams break, at different positions. */
const FAULTS = [
  { kind: 'cut', afterTokens: 1, share: 0.08 },
  { kind: 'cut', fraction: 0.5, share: 0.12 },
  { kind: 'cut', fraction: 0.97, share: 0.1 },
  { kind: 'stall', afterTokens: 3, share: 0.1 },
  { kind: 'stall', fraction: 0.9, share: 0.1 },
] as const;
type End = 'whole' | 'marked' | 'left' | 'a lie';

let fleet: FleetProcess;
const balancers: Balancer[] = [];

beforeAll(async () => {
  const models = { 'gpt-4o': { ttftMs: 50, msPerOutputToken: 50 } };
  fleet = await startFleetProcess({
    providers: NAMES.map((name, seed) => ({ name, seed, models, errorShare: 0, timeScale: 1 })),
  });
  for (const { fault } of NAMES.map((name) => fleet.provider(name))) {
    for (const one of FAULTS) await fault(one);
  }
});
afterAll(() => fleet.close());

function balancerOf(recovery: 'error' | 'restart' | 'continue'): Balancer {
  const balancer = new Balancer({
    endpoints: NAMES.map((name) => ({ name, model: 'gpt-4o', baseURL: fleet.provider(name).url })),
    stream: { recovery },
    strategy: 'least-busy',
    timeouts: { stallMs: 4_000 },
    breaker: { consecutiveFailures: 1_000, volumeThreshold: 10_000 },
  });
  balancers.push(balancer);
  return balancer;
}

/** Every fourth reader leaves, each after one chunk more than the last, and each in another way. */
async function read(balancer: Balancer, nth: number): Promise<End> {
  const leavesAfter = nth % 4 === 3 ? nth % 23 : Infinity;
  const leaving = new AbortController();
  let finished = false;
  let chunks = 0;
  let stream: ChatStream | undefined;
  try {
    stream = await balancer.chat(BODY, { signal: leaving.signal });
    stream.onRestart(() => (finished = false));
    for await (const { choices } of stream) {
      if (choices[0]?.finish_reason) finished = true;
      if (++chunks <= leavesAfter) continue;
      if (nth % 3 === 0) return 'left';
      if (nth % 3 === 1) stream.abort();
      else leaving.abort();
    }
  } catch (error) {
    const { code } = error as { code: string };
    if (code === 'ERR_AI_ABORTED' && chunks > leavesAfter) return 'left';
    return finished ? 'a lie' : 'marked';
  }
  return finished && (stream.route.usage?.completion_tokens ?? 0) >= TOKENS ? 'whole' : 'a lie';
}

it('Balancer: 1,000 concurrent streams all end complete or with an error, and leave no attempt slot or listener', async () => {
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length;
  const before = sockets();
  const kinds = (['error', 'restart', 'continue'] as const).map(balancerOf);
  const ends = await Promise.all(
    Array.from({ length: STREAMS }, (_, nth) => read(kinds[nth % 3] as Balancer, nth)),
  );
  const count = (end: End): number => ends.filter((one) => one === end).length;
  expect(count('a lie')).toBe(0);
  expect(count('whole')).toBeGreaterThan(200);
  expect(count('marked')).toBeGreaterThan(50);
  expect(count('left')).toBeGreaterThan(50);

  for (const balancer of balancers) {
    const { endpoints, queue, calls } = balancer.stats();
    expect(endpoints.map(({ inFlight }) => inFlight)).toEqual([0, 0, 0, 0]);
    expect(queue.size).toBe(0);
    expect(calls.ok).toBeGreaterThan(0);
  }
  await Promise.all(balancers.map((balancer) => balancer.close({ graceMs: 0 })));
  await until(() => sockets() <= before);
  const stats = await Promise.all(NAMES.map((name) => fleet.provider(name).stats()));
  expect(stats.map(({ inFlight }) => inFlight)).toEqual([0, 0, 0, 0]);
});
