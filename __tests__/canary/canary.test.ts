import type { Call } from '../../lib/call/call';
import { Canary } from '../../lib/canary/canary';
import type { CanaryEvent, ResolvedCanary } from '../../lib/canary/options';

const GUARD = { errors: 1, p95: 1, cost: 1, score: 1 } as ResolvedCanary['guard'];
/** Every call of the share goes to the canary. */
const ALL = { model: 'gpt-5', endpoint: undefined, replaces: undefined, share: 1, guard: GUARD };

let count = 0;
function callOf(more: object = {}): Call {
  const context = { requestId: `call-${count++}` };
  return { operation: 'chat', model: 'gpt-4o', endpoint: undefined, context, ...more } as unknown as Call;
}

function start(options: object = {}, served?: readonly string[]) {
  const events: CanaryEvent[] = [];
  const canary = new Canary({ ...ALL, ...options }, served && new Set(served), (event) => events.push(event));
  return { canary, events };
}

describe('A canary that gets all calls of its share', () => {
  it.each<[string, object, readonly string[] | undefined, object, string | undefined]>([
    ['takes part', {}, undefined, {}, 'canary'],
    ['takes part without a model of its own', {}, undefined, { model: undefined }, 'canary'],
    ['gets the new model in any case if it names it', {}, undefined, { model: 'gpt-5' }, undefined],
    [
      'never gets another model if it is an embeddings call',
      {},
      undefined,
      { operation: 'embeddings' },
      undefined,
    ],
    ['takes no part if it names its endpoint', {}, undefined, { endpoint: 'old' }, undefined],
    ['takes part if its model is the one to replace', { replaces: 'gpt-4o' }, undefined, {}, 'canary'],
    [
      'takes no part if its model is another than the one to replace',
      { replaces: 'o3' },
      undefined,
      {},
      undefined,
    ],
    [
      'takes part if the new endpoint has its model',
      { model: undefined, endpoint: 'next' },
      ['gpt-4o'],
      {},
      'canary',
    ],
    [
      'takes no part if the new endpoint has another model',
      { model: undefined, endpoint: 'next' },
      ['gpt-5'],
      {},
      undefined,
    ],
    ['goes to the other endpoints if the share is 0', { share: 0 }, undefined, {}, 'others'],
  ])('sends calls there: a call %s', (_name, options, served, call, side) => {
    const { canary } = start(options, served);
    expect(canary.sideOf(callOf(call))).toBe(side);
  });

  it('is named after its model or endpoint, and recognizes it', () => {
    const { canary } = start();
    expect([
      canary.name,
      canary.has({ name: 'a', model: 'gpt-5' }),
      canary.has({ name: 'a', model: 'x' }),
    ]).toEqual(['gpt-5', true, false]);
    const { canary: other } = start({ model: undefined, endpoint: 'next' });
    expect([
      other.name,
      other.has({ name: 'next', model: 'x' }),
      other.has({ name: 'a', model: 'x' }),
    ]).toEqual(['next', true, false]);
  });
});

describe('The figures of a canary', () => {
  it('count the first attempt of a call at the side to which it belongs, unless the failure is not the fault of an endpoint', () => {
    const { canary } = start();
    const call = callOf();
    canary.attempted(call, true, 'rate_limited', 5);
    canary.attempted(call, false, undefined, 5);
    canary.attempted(call, true, 'server', 5);
    canary.attempted(call, true, undefined, 5);
    canary.attempted(callOf({ endpoint: 'old' }), true, undefined, 5);
    expect(canary.stats()).toMatchObject({ calls: 1, failures: 1, otherCalls: 0, otherFailures: 0 });
    const { canary: others } = start({ share: 0 });
    others.attempted(callOf(), false, 'server', 5);
    expect(others.stats()).toMatchObject({ calls: 0, failures: 0, otherCalls: 1, otherFailures: 1 });
  });

  it('count a stream that broke off as a failure of its side', () => {
    const { canary } = start();
    canary.brokeOff(callOf(), true);
    canary.brokeOff(callOf(), false);
    canary.brokeOff(callOf({ endpoint: 'old' }), true);
    expect(canary.stats()).toMatchObject({ failures: 1, otherFailures: 0 });
    const { canary: others } = start({ share: 0 });
    others.brokeOff(callOf(), false);
    expect(others.stats()).toMatchObject({ failures: 0, otherFailures: 1 });
  });

  it('do not change once the app has promoted it or rolled it back, with one event for each', () => {
    const { canary, events } = start();
    const answered = callOf({ context: { requestId: 'answered' } });
    canary.answered(answered, true, undefined);
    canary.promote();
    canary.promote();
    canary.attempted(callOf(), true, 'server', 5);
    canary.brokeOff(callOf(), true);
    expect(canary.sideOf(callOf())).toBe('canary');
    // The call is known, but its score has no effect any more.
    expect([canary.score('answered', 0), canary.score('answered', 0)]).toEqual([true, false]);
    canary.rollBack();
    expect(canary.sideOf(callOf())).toBe('others');
    expect(events.map(({ state, reason }) => [state, reason])).toEqual([
      ['promoted', 'promoted by the app'],
      ['rolled-back', 'rolled back by the app'],
    ]);
    expect(canary.stats()).toMatchObject({ state: 'rolled-back', calls: 0, failures: 0 });
  });
});

describe('The guard of a canary', () => {
  /** As many calls of the others as of the canary; those of the canary fail, or take longer. */
  function compare(guard: object, failure: 'server' | undefined, ms: number): CanaryEvent[] {
    const { canary, events } = start({ share: 0.5, guard: { ...GUARD, ...guard } });
    for (let call = 0; call < 3_000 && events.length === 0; call++) {
      const next = callOf();
      const isCanary = canary.sideOf(next) === 'canary';
      canary.attempted(next, isCanary, isCanary ? failure : undefined, isCanary ? ms : 100 + (call % 10));
    }
    return events;
  }

  it('rolls it back if it fails, or takes longer than most attempts of the others', () => {
    expect(compare({}, 'server', 100)).toMatchObject([
      { reason: 'its attempts fail more often than those of the others' },
    ]);
    expect(compare({}, undefined, 900)).toMatchObject([
      { reason: 'its slowest attempts take longer than is allowed beside the others' },
    ]);
  });

  it('allows what is turned off', () => {
    expect(compare({ errors: false }, 'server', 100)).toEqual([]);
    expect(compare({ p95: false }, undefined, 900)).toEqual([]);
  });
});
