import type { Candidate, Strategy } from 'express-ai-balancer';
import { CustomStrategy } from '../../lib/routing/strategies/custom';
import { answer, BODY, Rig, rejection, statsOf, until } from '../failover/upstream';

const rig = new Rig();

const start = (strategy: Partial<Strategy> & Pick<Strategy, 'pick'>) =>
  rig.start({ a: answer(), b: answer() }, { strategy: { name: 'mine', ...strategy }, hedge: false });

describe('A custom strategy', () => {
  it('decides which endpoint serves a call', async () => {
    const { balancer } = await start({
      pick: (_call, candidates) => candidates.find(({ name }) => name === 'b'),
    });
    const { route } = await balancer.chat(BODY).withRoute();
    expect(route.endpoint).toBe('b');
    expect(balancer.explain(BODY).pick).toBe('b');
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('no such tenant');
      },
      /strategy 'mine': pick\(\) threw an error \(no such tenant\)/,
    ],
    [
      'throws undefined',
      () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- an app may throw anything
        throw undefined;
      },
      /pick\(\) threw an error \(undefined\)/,
    ],
    [
      'returns a candidate that it has created itself',
      () => ({ name: 'a' }),
      /returned something other than one of the candidates/,
    ],
    ['returns null', () => null, /returned something other than one of the candidates/],
    ['returns a promise', () => Promise.resolve(undefined), /returned a promise, but must be synchronous/],
    ['returns a rejected promise', () => Promise.reject(new Error('x')), /returned a promise/],
  ])(
    'whose pick() %s fails the call with an error that names it, and nothing is sent or reserved',
    async (_case, pick, reason) => {
      const { balancer, upstream } = await start({ pick: pick as Strategy['pick'] });
      for (const stream of [false, true]) {
        const failed = (await rejection(balancer.chat({ ...BODY, stream } as typeof BODY))) as Error;
        expect(failed).toMatchObject({ code: 'ERR_AI_CONFIG', status: 500, retryable: false });
        expect(failed.message).toMatch(reason);
      }
      expect(upstream.requests).toHaveLength(0);
      expect(statsOf(balancer, 'a').inFlight + statsOf(balancer, 'b').inFlight).toBe(0);
      expect(balancer.stats().queue.size).toBe(0);
    },
  );

  it('whose pick() throws while a call waits in the queue fails that call and leaves the queue empty', async () => {
    let isBroken = false;
    const held: (() => void)[] = [];
    const { balancer } = await rig.start(
      { a: (arrival) => held.push(() => answer()(arrival)) },
      {
        each: { a: { maxConcurrent: 1 } },
        hedge: false,
        strategy: {
          name: 'mine',
          pick: (_call: unknown, [first]: readonly Candidate[]) => {
            if (isBroken) throw new Error('broken');
            return first;
          },
        },
      },
    );
    const first = balancer.chat(BODY);
    await until(() => held.length === 1);
    const second = rejection(balancer.chat(BODY));
    await until(() => balancer.stats().queue.size === 1);
    isBroken = true;
    held[0]!();
    await first;
    expect(await second).toMatchObject({ code: 'ERR_AI_CONFIG' });
    expect(balancer.stats().queue.size).toBe(0);
    expect(statsOf(balancer, 'a').inFlight).toBe(0);
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('x');
      },
    ],
    ['returns nothing', () => undefined],
    ['returns too few scores', () => []],
    [
      'returns scores that are not numbers',
      () => [
        { score: NaN, terms: {} },
        { score: 1, terms: {} },
      ],
    ],
  ])('whose explain() %s still serves calls, without scores in the report', async (_case, explain) => {
    const { balancer } = await start({
      pick: (_call, candidates) => candidates[0],
      explain: explain as NonNullable<Strategy['explain']>,
    });
    const { route } = await balancer.chat(BODY).withRoute();
    expect(route.endpoint).toBe('a');
    expect(route.why.every(({ score }) => score === undefined)).toBe(true);
    expect(balancer.explain(BODY).pick).toBe('a');
  });
});

describe('The scores of a custom strategy', () => {
  const SCORE = { score: 1, terms: { turn: 1 } };
  const candidates = [{ name: 'a' }, { name: 'b' }] as unknown as readonly Candidate[];
  const explain = (explained: unknown) =>
    new CustomStrategy({
      name: 'mine',
      pick: () => undefined,
      ...(explained === 'absent' ? {} : { explain: () => explained as never }),
    }).explain({} as never, candidates);

  it('are reported if there is one for each candidate', () => {
    expect(explain([SCORE, SCORE])).toEqual([SCORE, SCORE]);
  });

  it.each([
    ['absent'],
    [undefined],
    ['text'],
    [[SCORE]],
    [[SCORE, null]],
    [[SCORE, { score: Number.NaN, terms: {} }]],
    [[SCORE, { score: 1 }]],
  ])('are left out of reports if explain() returns %j', (explained) => {
    expect(explain(explained)).toBeUndefined();
  });

  it('are left out of reports if explain() throws', () => {
    const failing = new CustomStrategy({
      name: 'mine',
      pick: () => undefined,
      explain: () => {
        throw new Error('broken');
      },
    });
    expect(failing.explain({} as never, candidates)).toBeUndefined();
  });
});
