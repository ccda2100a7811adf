import axios, { type AxiosAdapter, AxiosError } from 'axios';
import { type BalancerConfig, type CallOptions, createBalancer, type RouteReport } from 'express-ai-balancer';
import { seededRandom } from 'express-ai-balancer/simulator';
import { BODY } from './upstream';

const ANSWER_MS = 40;
const CHUNK = { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm' };
const ANSWER = {
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
  usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 },
};

function streamOf(): string {
  const events = [
    { ...CHUNK, choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' }, finish_reason: null }] },
    { ...CHUNK, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  ];
  return `${events.map((data) => `data: ${JSON.stringify(data)}\n\n`).join('')}data: [DONE]\n\n`;
}

/** How an endpoint behaves: it answers or refuses after a time, or never answers. */
type Behaviour = { readonly status: 200 | 503; readonly ms: number } | 'hangs';

interface Attempt {
  readonly name: string;
  readonly at: number;
  /** Other requests in flight at the same endpoint when it arrived. */
  readonly beside: number;
  aborted: boolean;
}

const open: ReturnType<typeof createBalancer>[] = [];

/** Endpoints without a network, on a fake clock: a primary, and a spare that always answers. */
function start(config: Partial<BalancerConfig> = {}) {
  const behaviours: Record<string, Behaviour> = {};
  const attempts: Attempt[] = [];
  const inFlight = new Map<string, number>();
  const adapter: AxiosAdapter = (request) =>
    new Promise((resolve, reject) => {
      const name = new URL(request.url!).hostname;
      const beside = inFlight.get(name) ?? 0;
      const attempt: Attempt = { name, at: performance.now(), beside, aborted: false };
      inFlight.set(name, beside + 1);
      attempts.push(attempt);
      let hasEnded = false;
      const end = (settle: () => void): void => {
        if (hasEnded) return;
        hasEnded = true;
        inFlight.set(name, inFlight.get(name)! - 1);
        settle();
      };
      const behaviour = behaviours[name] ?? { status: 200, ms: ANSWER_MS };
      const isStream = String(request.data).includes('"stream":true');
      const respond = ({ status }: { status: number }): void => {
        const good = isStream ? streamOf() : JSON.stringify(ANSWER);
        const headers = {
          'content-type': status === 200 && isStream ? 'text/event-stream' : 'application/json',
        };
        const data = status === 200 ? good : '{"error":{"message":"down"}}';
        end(() => resolve({ data, status, statusText: '', headers, config: request }));
      };
      const timer = behaviour === 'hangs' ? undefined : setTimeout(() => respond(behaviour), behaviour.ms);
      request.signal?.addEventListener?.('abort', () => {
        // The package aborts every request at its end.
        attempt.aborted = !hasEnded;
        clearTimeout(timer);
        end(() => reject(new AxiosError('canceled', AxiosError.ERR_CANCELED)));
      });
    });
  const balancer = createBalancer({
    endpoints: [
      { name: 'primary', model: 'm', baseURL: 'http://primary' },
      { name: 'spare', model: 'm', baseURL: 'http://spare', tier: 1 },
    ],
    models: { m: { latency: { firstTokenMs: 20, msPerPromptToken: 0, msPerOutputToken: 1 } } },
    ...config,
    http: { axios: axios.create({ adapter }) },
  });
  open.push(balancer);
  const at = (name: string, since = 0): Attempt[] =>
    attempts.filter((attempt) => attempt.name === name && attempt.at >= since);
  return { balancer, behaviours, at };
}

interface Ended {
  readonly ms: number;
  readonly route: RouteReport | undefined;
  readonly error: unknown;
}

async function call(
  balancer: ReturnType<typeof createBalancer>,
  stream: boolean,
  options: CallOptions = {},
): Promise<Ended> {
  const from = performance.now();
  try {
    if (!stream) {
      const { route } = await balancer.chat(BODY, options).withRoute();
      return { ms: performance.now() - from, route, error: undefined };
    }
    const { data } = await balancer.chat({ ...BODY, stream: true }, options).withRoute();
    const ms = performance.now() - from;
    for await (const chunk of data) expect(chunk).toBeDefined();
    return { ms, route: data.route, error: undefined };
  } catch (error) {
    return { ms: performance.now() - from, route: undefined, error };
  }
}

/** 20 calls per second at an even pace. */
async function calls(
  balancer: ReturnType<typeof createBalancer>,
  seconds: number,
  stream = false,
  options: CallOptions = {},
) {
  const ends: Promise<Ended>[] = [];
  for (let n = 0; n < 20 * seconds; n++) {
    ends.push(call(balancer, stream, options));
    await jest.advanceTimersByTimeAsync(50);
  }
  await jest.advanceTimersByTimeAsync(200);
  return Promise.all(ends);
}

/** Opens the primary's breaker and waits until it may be probed. */
async function takeDown(
  { balancer, behaviours }: ReturnType<typeof start>,
  behaviour: Behaviour,
): Promise<void> {
  behaviours['primary'] = { status: 503, ms: 1 };
  await calls(balancer, 0.3, false, { hedge: false });
  expect(balancer.endpoint('primary').state).toBe('open');
  behaviours['primary'] = behaviour;
  await jest.advanceTimersByTimeAsync(3_000);
}

const inFlight = (balancer: ReturnType<typeof createBalancer>): number =>
  balancer.stats().endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);

beforeEach(() => {
  jest.spyOn(Math, 'random').mockImplementation(seededRandom(7));
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
});

afterEach(async () => {
  for (const balancer of open.splice(0)) {
    await balancer.close({ graceMs: 0 });
    await jest.advanceTimersByTimeAsync(0);
    expect(inFlight(balancer)).toBe(0);
  }
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe('An outage of 60 s', () => {
  it.each<[string, Behaviour, boolean]>([
    ['refuses whole answers', { status: 503, ms: 5 }, false],
    ['refuses streams', { status: 503, ms: 5 }, true],
    ['accepts streams and never answers', 'hangs', true],
  ])(
    'in which the primary %s ends for callers within 3 s of the recovery, and makes no call slower',
    async (_what, down, stream) => {
      const { balancer, behaviours, at } = start();
      await calls(balancer, 2, stream);
      behaviours['primary'] = down;
      const downAt = performance.now();
      await calls(balancer, 20, stream);
      const during = await calls(balancer, 40, stream);
      behaviours['primary'] = { status: 200, ms: ANSWER_MS };
      const healedAt = performance.now();
      const after = await calls(balancer, 8, stream);

      expect([...during, ...after].filter(({ error }) => error !== undefined)).toEqual([]);
      expect(Math.max(...[...during, ...after].map(({ ms }) => ms))).toBeLessThanOrEqual(ANSWER_MS + 5);
      expect(during.every(({ route }) => route?.endpoint === 'spare')).toBe(true);
      const back = 8_000 - after.filter(({ route }) => route?.endpoint === 'primary').length * 50;
      expect(back).toBeLessThan(5_000);
      // The first probes come before the outage is known, as calls of their own.
      const probes = at('primary', downAt + 20_000).filter((attempt) => attempt.at < healedAt);
      expect(Math.max(...probes.map(({ beside }) => beside))).toBe(0);
      expect(probes.length).toBeGreaterThanOrEqual(12);
      expect(
        probes.every(({ at: time }, index) => index === 0 || time - probes[index - 1]!.at >= 1_000),
      ).toBe(true);
      const firstBack = at('primary', healedAt)[0];
      expect(firstBack!.at - healedAt).toBeLessThan(stream && down === 'hangs' ? 3_200 : 3_000);
      expect(balancer.endpoint('primary').state).toBe('closed');
    },
  );

  it.each<[string, Partial<BalancerConfig>]>([
    ['hedge: false', { hedge: false }],
    ['a hedge budget of 0', { hedge: { budgetRatio: 0 } }],
  ])('is probed only by ordinary calls, not beside them, with %s', async (_what, config) => {
    const { balancer, behaviours, at } = start(config);
    behaviours['primary'] = { status: 503, ms: 5 };
    const from = performance.now();
    const ended = await calls(balancer, 60);
    expect(ended.filter(({ error }) => error !== undefined)).toEqual([]);
    // Ten times at most: after 1, 2, 4, 8, 16 and 20 s, each less a quarter at most.
    expect(at('primary', from + 1_000).length).toBeLessThanOrEqual(10);
    expect(ended.some(({ route }) => route?.attempts.some(({ hedge }) => hedge))).toBe(false);
  });
});

describe.each([
  ['whole answers', false],
  ['streams', true],
])('A probe beside a served call (%s)', (_what, stream) => {
  it('serves the call if its answer comes first', async () => {
    const setup = start();
    const { balancer, behaviours, at } = setup;
    await takeDown(setup, { status: 200, ms: 10 });
    behaviours['spare'] = { status: 200, ms: 400 };
    const ended = call(balancer, stream);
    await jest.advanceTimersByTimeAsync(60);
    const { route, ms } = await ended;
    expect(ms).toBeLessThan(50);
    expect(route?.endpoint).toBe('primary');
    expect(route?.attempts.map(({ endpoint, class: failure, hedge }) => [endpoint, failure, hedge])).toEqual(
      expect.arrayContaining([
        ['primary', undefined, true],
        ['spare', 'aborted', undefined],
      ]),
    );
    expect(route?.wastedTokens).toBeGreaterThan(0);
    expect(at('spare').at(-1)!.aborted).toBe(true);
    expect(balancer.endpoint('primary').state).toBe('closed');
    expect(inFlight(balancer)).toBe(0);
  });

  it('goes on after its call has ended, until its result closes the breaker', async () => {
    const setup = start();
    const { balancer } = setup;
    await takeDown(setup, { status: 200, ms: 900 });
    const ended = call(balancer, stream);
    await jest.advanceTimersByTimeAsync(100);
    const { route } = await ended;
    expect(route?.endpoint).toBe('spare');
    expect(route?.attempts).toHaveLength(2);
    expect(route?.attempts[1]).toMatchObject({ endpoint: 'primary', class: 'aborted', hedge: true });
    expect(route?.wastedTokens).toBeGreaterThan(0);
    const reported = JSON.stringify([route?.attempts, route?.wastedTokens]);
    expect(inFlight(balancer)).toBe(1);
    expect(balancer.endpoint('primary').state).not.toBe('closed');
    await jest.advanceTimersByTimeAsync(900);
    expect(balancer.endpoint('primary').state).toBe('closed');
    expect(inFlight(balancer)).toBe(0);
    expect(JSON.stringify([route?.attempts, route?.wastedTokens])).toBe(reported);
  });

  it('that fails leaves its call to the other endpoint and uses up none of its attempts', async () => {
    const setup = start({ retry: { maxAttempts: 1 } });
    const { balancer } = setup;
    await takeDown(setup, { status: 503, ms: 5 });
    const events: unknown[] = [];
    balancer.on('attempt', ({ endpoint, class: failure }) => events.push([endpoint, failure]));
    const ended = call(balancer, stream);
    await jest.advanceTimersByTimeAsync(100);
    const { route, error } = await ended;
    expect(error).toBeUndefined();
    expect(route?.attempts.map(({ endpoint, class: failure, hedge }) => [endpoint, failure, hedge])).toEqual([
      ['primary', 'server', true],
      ['spare', undefined, undefined],
    ]);
    expect(events).toEqual([
      ['primary', 'server'],
      ['spare', undefined],
    ]);
    expect(balancer.endpoint('primary').state).not.toBe('closed');
  });

  it('that hangs is given up, and another one follows', async () => {
    const setup = start();
    const { balancer, at } = setup;
    await takeDown(setup, 'hangs');
    const from = performance.now();
    await calls(balancer, 8, stream);
    const probes = at('primary', from);
    expect(probes.length).toBeGreaterThanOrEqual(2);
    expect(probes[0]!.aborted).toBe(true);
    expect(Math.max(...probes.map(({ beside }) => beside))).toBe(0);
  });

  it('ends when its caller leaves', async () => {
    const setup = start();
    const { balancer, behaviours, at } = setup;
    await takeDown(setup, 'hangs');
    behaviours['spare'] = 'hangs';
    const caller = new AbortController();
    const ended = call(balancer, stream, { signal: caller.signal });
    await jest.advanceTimersByTimeAsync(20);
    expect(inFlight(balancer)).toBe(2);
    caller.abort();
    expect((await ended).error).toMatchObject({ code: 'ERR_AI_ABORTED' });
    await jest.advanceTimersByTimeAsync(0);
    expect(inFlight(balancer)).toBe(0);
    expect(at('primary').at(-1)!.aborted).toBe(true);
  });

  it.each(['close', 'reload'] as const)('that outlives its call is ended by %s()', async (how) => {
    const setup = start();
    const { balancer, at } = setup;
    await takeDown(setup, 'hangs');
    const ended = call(balancer, stream);
    await jest.advanceTimersByTimeAsync(100);
    await ended;
    expect(inFlight(balancer)).toBe(1);
    if (how === 'close') await balancer.close();
    else await balancer.reload({ endpoints: [{ name: 'spare', model: 'm', baseURL: 'http://spare' }] });
    await jest.advanceTimersByTimeAsync(0);
    expect(inFlight(balancer)).toBe(0);
    expect(at('primary').at(-1)!.aborted).toBe(true);
  });

  it('is not sent if the endpoint has no quota', async () => {
    const setup = start({
      endpoints: [
        { name: 'primary', model: 'm', baseURL: 'http://primary', rpm: 7, burstSeconds: 60 },
        { name: 'spare', model: 'm', baseURL: 'http://spare', tier: 1 },
      ],
    });
    const { balancer, at } = setup;
    await takeDown(setup, { status: 503, ms: 5 });
    const from = performance.now();
    await calls(balancer, 9, stream);
    expect(at('primary', from).length).toBeLessThanOrEqual(3);
  });
});
