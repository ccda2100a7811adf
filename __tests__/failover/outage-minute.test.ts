import axios, { type AxiosAdapter, AxiosError } from 'axios';
import { type BalancerConfig, createBalancer } from 'express-ai-balancer';
import { seededRandom } from 'express-ai-balancer/simulator';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { BODY } from './upstream';

requireExclusiveMachine();

const ANSWER = JSON.stringify({
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
  usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 },
});
const ANSWER_MS = 40;

interface Attempt {
  readonly name: string;
  readonly at: number;
  /** Other requests in flight at the same endpoint when it arrived. */
  readonly beside: number;
}

/** Endpoints without a network, on a fake clock. */
function start(fails: (name: string) => boolean, config: BalancerConfig) {
  const attempts: Attempt[] = [];
  const inFlight = new Map<string, number>();
  const adapter: AxiosAdapter = (request) =>
    new Promise((resolve) => {
      const name = new URL(request.url!).hostname;
      const beside = inFlight.get(name) ?? 0;
      inFlight.set(name, beside + 1);
      attempts.push({ name, at: performance.now(), beside });
      setTimeout(() => {
        inFlight.set(name, inFlight.get(name)! - 1);
        const status = fails(name) ? 503 : 200;
        const body = status === 200 ? ANSWER : '{"error":{"message":"down"}}';
        const headers = { 'content-type': 'application/json' };
        resolve({ data: body, status, statusText: '', headers, config: request });
      }, ANSWER_MS);
      request.signal?.addEventListener?.('abort', () => new AxiosError('canceled', AxiosError.ERR_CANCELED));
    });
  const balancer = createBalancer({ logger: false, ...config, http: { axios: axios.create({ adapter }) } });
  return { balancer, attempts };
}

const endpoint = (name: string, more = {}) => ({ name, model: 'm', baseURL: `http://${name}`, ...more });

/** Calls at an even pace; resolves with their results. */
async function calls(balancer: ReturnType<typeof start>['balancer'], perSecond: number, seconds: number) {
  const ends: Promise<'ok' | Error>[] = [];
  for (let n = 0; n < perSecond * seconds; n++) {
    ends.push(
      balancer.chat(BODY).then(
        () => 'ok' as const,
        (error: unknown) => error as Error,
      ),
    );
    await jest.advanceTimersByTimeAsync(1_000 / perSecond);
  }
  return ends;
}

describe('With default settings', () => {
  beforeEach(() => {
    jest.spyOn(Math, 'random').mockImplementation(seededRandom(7));
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  });

  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  it.each([
    ['cheaper', { input: 0, output: 0 }, { rampShare: 0.5, minProbes: 18, maxBackMs: 3_200 }],
    // Routing avoids it from its first failure on, so that its breaker stays closed: it is tried again every 20 s, when
    // that failure is forgotten. Its share of the calls tells too little of a ramp.
    ['as good as another', { input: 1, output: 1 }, { rampShare: 1, minProbes: 2, maxBackMs: 20_500 }],
  ])(
    'a primary (%s) that is down for a minute fails no call, is probed one request at a time, and recovers by slow start',
    async (_what, price, { rampShare, minProbes, maxBackMs }) => {
      let down = false;
      const { balancer, attempts } = start((name) => down && name === 'primary', {
        // Preferred for its price, by less than the ramp takes off.
        endpoints: [endpoint('primary', { price }), endpoint('spare', { price: { input: 1, output: 1 } })],
      });
      const states: string[] = [];
      balancer.on('breaker', (event) => event.endpoint === 'primary' && states.push(event.state));
      const ends = await calls(balancer, 20, 5);
      const steady = share(attempts, 0);
      expect(steady).toBeGreaterThan(0.3);
      down = true;
      const from = performance.now();
      ends.push(...(await calls(balancer, 20, 60)));
      const probes = attempts.filter(({ name, at }) => name === 'primary' && at > from + 1_000);
      down = false;
      const healedAt = performance.now();
      ends.push(...(await calls(balancer, 20, 40)));
      expect(new Set(await Promise.all(ends))).toEqual(new Set(['ok']));

      // An open breaker is probed every 1 to 3 s, beside calls that the spare serves.
      expect(probes.length).toBeGreaterThanOrEqual(minProbes);
      expect(probes.length).toBeLessThanOrEqual(60);
      expect(Math.max(...probes.map(({ beside }) => beside))).toBe(0);
      expect(balancer.endpoint('primary').state).toBe('closed');
      const [probe, ...used] = attempts.filter(({ name, at }) => name === 'primary' && at > healedAt);
      const back = probe!.at + ANSWER_MS;
      expect(back - healedAt).toBeLessThan(maxBackMs);
      const within = (fromMs: number, toMs: number) =>
        used.filter(({ at }) => at - back >= fromMs && at - back < toMs).length / ((toMs - fromMs) / 50);
      expect(within(0, 1_000)).toBeLessThan(rampShare);
      expect(within(5_000, 8_000)).toBeGreaterThan(0.9 * steady - 0.1);
      await balancer.close({ graceMs: 0 });

      function share(seen: readonly Attempt[], since: number): number {
        const after = seen.filter(({ at }) => at >= since);
        return after.filter(({ name }) => name === 'primary').length / after.length;
      }
    },
  );

  it('an outage of every endpoint costs less than 0.05 attempts per call', async () => {
    const { balancer, attempts } = start(() => true, {
      endpoints: ['a', 'b', 'c', 'd'].map((name) => endpoint(name)),
    });
    const ends = await calls(balancer, 100, 20);
    await jest.advanceTimersByTimeAsync(70_000);
    expect((await Promise.all(ends)).filter((end) => end === 'ok')).toEqual([]);
    // The bound is 1.2 per call and 10 per second: the breakers stay far below it.
    expect(attempts.length).toBeLessThan(100);
    await balancer.close({ graceMs: 0 });
  });

  it('failures too rare to open breakers cost at most 0.2 retries per call, plus 10 per second, plus the initial budget', async () => {
    const random = seededRandom(3);
    const { balancer, attempts } = start(() => random() < 0.42, {
      endpoints: ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => endpoint(name)),
      breaker: { consecutiveFailures: 1_000, errorThresholdPercentage: 100 },
    });
    const from = performance.now();
    const ends = await calls(balancer, 100, 20);
    let endedAt = 0;
    for (const end of ends) void end.then(() => (endedAt = performance.now()));
    await jest.advanceTimersByTimeAsync(70_000);
    await Promise.all(ends);
    const saved = 200;
    const seconds = (endedAt - from) / 1_000;
    // The rate of failures opens a breaker now and then: its probes take nothing from the budget.
    const probes = 100;
    expect(attempts.length).toBeLessThanOrEqual(1.2 * 2_000 + 10 * seconds + saved + probes);
    expect(attempts.length).toBeGreaterThan(2_500);
    await balancer.close({ graceMs: 0 });
  });
});
