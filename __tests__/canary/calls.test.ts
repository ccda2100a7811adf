import type { AiBalancerError, Balancer, BalancerConfig, CanaryEvent } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { endpointAt, Rig } from '../helpers/provider';

const rig = new Rig();
const MODELS = { models: { 'gpt-4o': {}, 'gpt-5': {} } };

interface Fleet {
  readonly balancer: Balancer;
  readonly old: SimulatedProvider;
  readonly next: SimulatedProvider;
  readonly events: CanaryEvent[];
}

async function start(canary: BalancerConfig['canary'], config: Partial<BalancerConfig> = {}): Promise<Fleet> {
  const [old, next] = [await rig.provider(MODELS), await rig.provider(MODELS)];
  const balancer = rig.balancer(
    [endpointAt(old, { name: 'old' }), endpointAt(next, { name: 'next', model: 'gpt-5' })],
    { canary, ...config },
  );
  const events: CanaryEvent[] = [];
  balancer.on('canary', (event) => events.push(event));
  return { balancer, old, next, events };
}

function ask(balancer: Balancer, tenant?: string, model = 'gpt-4o') {
  const body = { model, messages: [{ role: 'user', content: 'Where is my parcel?' }], max_tokens: 20 };
  return balancer.chat(body, tenant === undefined ? {} : { tenant }).withRoute();
}

/** One call of each of that many tenants. */
async function visits(balancer: Balancer, count: number, from = 0): Promise<Map<string, string>> {
  const served = new Map<string, string>();
  for (let n = from; n < from + count; n += 20) {
    const tenants = Array.from({ length: Math.min(20, from + count - n) }, (_, at) => `tenant-${n + at}`);
    const routes = await Promise.all(tenants.map((tenant) => ask(balancer, tenant)));
    routes.forEach(({ route }, at) => served.set(tenants[at]!, route.endpoint));
  }
  return served;
}

describe('A canary', () => {
  it('gets its configured share of the calls, and all calls of a tenant go to the same side', async () => {
    const { balancer } = await start({ model: 'gpt-5', replaces: 'gpt-4o', share: 0.2 });
    const first = await visits(balancer, 300);
    const canaries = [...first.values()].filter((endpoint) => endpoint === 'next').length;
    expect(canaries).toBeGreaterThan(35);
    expect(canaries).toBeLessThan(85);
    expect(await visits(balancer, 300)).toEqual(first);
    expect(balancer.stats().canary).toMatchObject({ name: 'gpt-5', state: 'testing', calls: 2 * canaries });
  });

  it('that fails is rolled back automatically with an event and a reason, and no call fails', async () => {
    const { balancer, next, events } = await start({ model: 'gpt-5', share: 0.3 });
    await visits(balancer, 60);
    next.fault({ kind: 'err5xx' });
    const served = await visits(balancer, 200, 60);
    expect(new Set(served.values())).toEqual(new Set(['old']));
    expect(events).toMatchObject([
      {
        name: 'gpt-5',
        state: 'rolled-back',
        reason: 'its attempts fail more often than those of the others',
      },
    ]);
    const { seen } = next.stats();
    await visits(balancer, 40, 500);
    expect(next.stats().seen).toBe(seen);
  });

  it('that is as good as the other endpoints is not rolled back', async () => {
    const { balancer, events } = await start({ model: 'gpt-5', share: 0.5 });
    await visits(balancer, 400);
    expect(events).toEqual([]);
  });

  it('that gets lower scores from the app is rolled back', async () => {
    const { balancer, events } = await start({ model: 'gpt-5', share: 0.3 });
    for (let n = 0; n < 200 && events.length === 0; n++) {
      const { route } = await ask(balancer, `tenant-${n}`);
      expect(balancer.score(route.requestId, route.model === 'gpt-5' ? 0.2 : 0.9)).toBe(true);
      expect(balancer.score(route.requestId, 1)).toBe(false);
    }
    expect(events).toMatchObject([{ reason: 'its answers are scored worse than those of the others' }]);
    expect(() => balancer.score('any', 2)).toThrow('value: expected a number from 0 to 1, got 2');
  });

  it('that costs more than the guard allows is rolled back', async () => {
    const [old, next] = [await rig.provider(MODELS), await rig.provider(MODELS)];
    const price = { input: 1, output: 1 };
    const dear = { input: 10, output: 10 };
    const balancer = rig.balancer(
      [
        endpointAt(old, { name: 'old', price }),
        endpointAt(next, { name: 'next', model: 'gpt-5', price: dear }),
      ],
      { canary: { model: 'gpt-5', share: 0.3 } },
    );
    const events: CanaryEvent[] = [];
    balancer.on('canary', (event) => events.push(event));
    await visits(balancer, 300);
    expect(events).toMatchObject([{ reason: 'its calls cost more than is allowed beside the others' }]);
  });

  it('that is an endpoint gets only its share of the calls, and can be promoted and rolled back by the app', async () => {
    const [old, next] = [await rig.provider(), await rig.provider()];
    const endpoints = [endpointAt(old, { name: 'old' }), endpointAt(next, { name: 'next' })];
    const balancer = rig.balancer(endpoints, { canary: { endpoint: 'next', share: 0.1 } });
    const served = [...(await visits(balancer, 100)).values()];
    expect(served.filter((endpoint) => endpoint === 'next').length).toBeLessThan(25);
    const events: CanaryEvent[] = [];
    balancer.on('canary', (event) => events.push(event));
    balancer.canary?.promote();
    expect(new Set((await visits(balancer, 40)).values())).toEqual(new Set(['next']));
    balancer.canary?.rollBack('the support team says so');
    expect(new Set((await visits(balancer, 40)).values())).toEqual(new Set(['old']));
    expect(events.map(({ state, reason }) => [state, reason])).toEqual([
      ['promoted', 'promoted by the app'],
      ['rolled-back', 'the support team says so'],
    ]);
  });

  it('does not affect calls that name its model or endpoint, even after a rollback', async () => {
    const { balancer } = await start({ model: 'gpt-5', replaces: 'gpt-4o', share: 0.5 });
    balancer.canary?.rollBack();
    expect((await ask(balancer, 'one', 'gpt-5')).route.endpoint).toBe('next');
    const named = await balancer
      .chat({ messages: [{ role: 'user', content: 'Hello' }], model: 'gpt-5' }, { endpoint: 'next' })
      .withRoute();
    expect(named.route.endpoint).toBe('next');
  });

  it('keeps its counts after a reload with the same options', async () => {
    const { balancer, old, next } = await start({ model: 'gpt-5', share: 0.3 });
    await visits(balancer, 40);
    const before = balancer.stats().canary;
    const endpoints = [endpointAt(old, { name: 'old' }), endpointAt(next, { name: 'next', model: 'gpt-5' })];
    await balancer.reload({ endpoints, logger: false, canary: { model: 'gpt-5', share: 0.3 } });
    expect(balancer.stats().canary).toEqual(before);
    await balancer.reload({ endpoints, logger: false });
    expect(balancer.canary).toBeUndefined();
  });

  it('is rejected at start-up if its options are invalid', () => {
    const endpoints = [{ name: 'one', model: 'gpt-4o', apiKey: 'k' }];
    const faultOf = (canary: object): string => {
      try {
        rig.balancer(endpoints, { canary: canary as never });
        return '';
      } catch (error) {
        return (error as AiBalancerError).message;
      }
    };
    expect(faultOf({ share: 0.1 })).toContain('canary: expected either a model or an endpoint');
    expect(faultOf({ model: 'gpt-4', share: 0.1 })).toContain("did you mean 'gpt-4o'?");
    expect(faultOf({ endpoint: 'one', share: 0.7 })).toContain(
      'canary.share: expected a number above 0, at most 0.5',
    );
    expect(faultOf({ endpoint: 'one', share: 0.1, guard: { p95: 0 } })).toContain('canary.guard.p95');
  });
});
