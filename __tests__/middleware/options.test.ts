import {
  AiBalancerError,
  type AiGatewayOptions,
  aiBalancer,
  aiGateway,
  type Balancer,
  failoverExecutor,
  rateLimitGuard,
  smartRouter,
} from 'express-ai-balancer';
import { Rig } from '../helpers/provider';

const rig = new Rig();
const ENDPOINT = { name: 'a', model: 'gpt-4o', baseURL: 'http://127.0.0.1:9', apiKey: 'sk-test' };

type Create = (balancer: Balancer, options: never) => unknown;

/** The lines of the ERR_AI_CONFIG that a middleware throws, without the title. */
function faultsOf(create: Create, options: unknown, balancer: unknown = rig.balancer([ENDPOINT])): string[] {
  try {
    create(balancer as Balancer, options as never);
    return [];
  } catch (error) {
    expect(AiBalancerError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ code: 'ERR_AI_CONFIG' });
    return (error as Error).message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
}

describe('The options of a middleware', () => {
  it.each<[string, Create, unknown, string[]]>([
    [
      'an unknown option of aiBalancer()',
      aiBalancer,
      { gaurd: {} },
      ["gaurd: expected a known option (did you mean 'guard'?), got an unknown option (an object)"],
    ],
    [
      'every unknown option of each part of aiBalancer()',
      aiBalancer,
      {
        gaurd: {},
        guard: { rmp: 1, tpm: -1 },
        router: { priorty: 5 },
        executor: { timeout: 1, hedge: 'no' },
      },
      [
        'guard.tpm: expected a finite number above 0, or a function of the tenant, got -1',
        "guard.rmp: expected a known option (did you mean 'rpm'?), got an unknown option (1)",
        "router.priorty: expected a known option (did you mean 'priority'?), got an unknown option (5)",
        'executor.hedge: expected true or false, got "no"',
        expect.stringMatching(
          /^executor\.timeout: expected a known option \(did you mean 'timeoutMs'\?\)/,
        ) as string,
        "gaurd: expected a known option (did you mean 'guard'?), got an unknown option (an object)",
      ],
    ],
    [
      'parts of aiBalancer() that are not objects',
      aiBalancer,
      { guard: 1, router: [], executor: 'x' },
      [
        'guard: expected an object, or what rateLimitGuard() returned, got 1',
        'router: expected an object, got an empty array',
        'executor: expected an object, got a string (not shown)',
      ],
    ],
    ['null for the options of aiBalancer()', aiBalancer, null, ['config: expected an object, got null']],
    [
      'an unknown option of rateLimitGuard()',
      rateLimitGuard,
      { tennant: () => 'a', rpm: 0 },
      [
        'guard.rpm: expected a finite number above 0, or a function of the tenant, got 0',
        "guard.tennant: expected a known option (did you mean 'tenant'?), got an unknown option (a function)",
      ],
    ],
    [
      'a limit of budgets for rateLimitGuard()',
      rateLimitGuard,
      { usdPerMonth: 20 },
      [
        'guard.usdPerMonth: expected an option that a guard has; set budgets.perTenant.usdPerMonth of the balancer for this limit, got an unknown option (20)',
      ],
    ],
    [
      'a limit of budgets for the guard of aiBalancer()',
      aiBalancer,
      { guard: { usdPerHour: 2 } },
      [
        'guard.usdPerHour: expected an option that a guard has; set budgets.perTenant.usdPerHour of the balancer for this limit, got an unknown option (2)',
      ],
    ],
    [
      'skip and handler of rateLimitGuard() that are not functions',
      rateLimitGuard,
      { skip: true, handler: {} },
      [
        'guard.skip: expected a function of the request, got true',
        'guard.handler: expected a function of the request, the response, next and the error, got an object',
      ],
    ],
    [
      'null for the options of rateLimitGuard()',
      rateLimitGuard,
      null,
      ['guard: expected an object, got null'],
    ],
    [
      'an unknown option of smartRouter()',
      smartRouter,
      { priorty: 5 },
      ["router.priorty: expected a known option (did you mean 'priority'?), got an unknown option (5)"],
    ],
    [
      'every invalid option of smartRouter()',
      smartRouter,
      {
        priority: 7,
        minQuality: 2,
        type: 'poem',
        tags: 'eu',
        tenant: '',
        context: {},
        allowHeaders: ['X-AI-Type'],
      },
      [
        "router.type: expected 'chat', 'embedding', 'analysis' or 'code', got \"poem\"",
        'router.priority: expected a whole number from 1 to 5, got 7',
        'router.minQuality: expected a number from 0 to 1, got 2',
        'router.tenant: expected a string of 1 to 512 characters, got an empty string',
        'router.tags: expected an array of strings that are not empty, got "eu"',
        'router.context: expected a function of the request, got an object',
        'router.allowHeaders: expected true, false or an array of x-ai-priority, x-ai-type, x-ai-max-latency-ms, ' +
          'x-ai-max-cost-per-1k, x-ai-min-quality, x-ai-session, x-ai-timeout-ms, x-ai-hedge, x-ai-tags, ' +
          'x-ai-fallbacks, x-ai-tenant, x-ai-endpoint, got an array of 1',
      ],
    ],
    [
      'an unknown header of smartRouter()',
      smartRouter,
      { allowHeaders: ['x-ai-prompt'] },
      [
        expect.stringContaining(
          'router.allowHeaders: expected true, false or an array of x-ai-priority',
        ) as string,
      ],
    ],
    [
      'a string for allowHeaders of smartRouter()',
      smartRouter,
      { allowHeaders: 'x-ai-priority' },
      [expect.stringContaining('router.allowHeaders: expected true, false or') as string],
    ],
    [
      'every invalid option of failoverExecutor()',
      failoverExecutor,
      { timeoutMS: 5, timeoutMs: Number.NaN, fallbacks: 'gpt-4o', hedge: 1, priority: 3 },
      [
        'executor.timeoutMs: expected a finite number above 0, got NaN',
        'executor.fallbacks: expected false or an array of model names, got "gpt-4o"',
        'executor.hedge: expected true or false, got 1',
        "executor.timeoutMS: expected a known option (did you mean 'timeoutMs'?), got an unknown option (5)",
        expect.stringContaining('executor.priority: expected ') as string,
      ],
    ],
    [
      'every invalid option of aiGateway(), its guard included',
      aiGateway,
      { autenticate: () => true, maxBodyBytes: 0, headerDelayMs: -1, guard: { rpm: 0, rmp: 1 } },
      [
        'gateway.authenticate: expected a function of the request, or false for a gateway that is open to everyone, got undefined',
        'gateway.maxBodyBytes: expected a whole number of at least 1, got 0',
        'gateway.headerDelayMs: expected milliseconds of at least 0, or Infinity, got -1',
        "gateway.autenticate: expected a known option (did you mean 'authenticate'?), got an unknown option (a function)",
        'gateway.guard.rpm: expected a finite number above 0, or a function of the tenant, got 0',
        "gateway.guard.rmp: expected a known option (did you mean 'rpm'?), got an unknown option (1)",
      ],
    ],
  ])('are checked so that one ERR_AI_CONFIG reports %s', (_, create, options, faults) => {
    expect(faultsOf(create, options)).toEqual(faults);
  });

  it.each<[string, Create, object]>([
    ['guard', rateLimitGuard, {}],
    ['router', smartRouter, {}],
    ['executor', failoverExecutor, {}],
    ['gateway', aiGateway, { authenticate: false } satisfies AiGatewayOptions],
  ])('of %s are checked together with its balancer', (name, create, options) => {
    for (const [balancer, got] of [
      [{}, 'an object'],
      [null, 'null'],
      [{ endpoints: [ENDPOINT] }, 'an object'],
    ] as const) {
      expect(faultsOf(create, options, balancer)).toEqual([
        `${name}.balancer: expected a Balancer, got ${got}`,
      ]);
    }
    expect(faultsOf(create, { ...options, nonsense: 1 }, {})).toHaveLength(2);
  });

  it('say what to pass if they get the middleware in place of its balancer', () => {
    const middleware = Object.assign(() => undefined, { balancer: rig.balancer([ENDPOINT]) });
    expect(faultsOf(smartRouter, {}, middleware)).toEqual([
      'router.balancer: expected a Balancer: pass its .balancer, got a function',
    ]);
  });

  it('are accepted if they are valid or absent', () => {
    const balancer = rig.balancer([ENDPOINT]);
    const valid = {
      guard: {
        rpm: 1,
        tenant: () => 'a',
        priority: () => 3,
        skip: () => false,
        handler: () => undefined,
        name: 'x',
      },
      router: { priority: 5, tags: ['eu'], context: () => ({}), allowHeaders: true, tenant: undefined },
      executor: { timeoutMs: 5, fallbacks: false, hedge: false },
    };
    expect(() => aiBalancer(balancer, valid as never)).not.toThrow();
    expect(() =>
      aiBalancer(balancer, { guard: undefined, router: undefined, executor: undefined }),
    ).not.toThrow();
    for (const create of [aiBalancer, rateLimitGuard, smartRouter, failoverExecutor]) {
      expect(() => create(balancer)).not.toThrow();
      expect(() => create(balancer, {})).not.toThrow();
    }
  });

  it('are never quoted in the error if they are strings that may contain a secret', () => {
    const secret = 'sk-live-0123456789abcdefghijklmnop';
    const faults = [
      ...faultsOf(aiBalancer, { apiKey: secret, guard: { redis: `redis://:${secret}@host`, token: secret } }),
      ...faultsOf(aiGateway, { authenticate: secret, keys: secret }),
      ...faultsOf(smartRouter, { tenant: '', password: secret, context: secret }),
      ...faultsOf(failoverExecutor, { hedge: secret }),
    ];
    expect(faults).toHaveLength(9);
    expect(faults.join('\n')).not.toContain('0123456789');
  });
});
