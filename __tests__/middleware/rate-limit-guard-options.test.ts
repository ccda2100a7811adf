import { aiBalancer, type RateLimitGuardOptions, rateLimitGuard } from 'express-ai-balancer';
import { Rig } from '../helpers/provider';

const rig = new Rig();
const ENDPOINT = { name: 'a', model: 'gpt-4o', baseURL: 'http://127.0.0.1:9', apiKey: 'sk-test' };

function configErrorOf(options: object, balancer = rig.balancer([ENDPOINT])): unknown {
  try {
    rateLimitGuard(balancer, options);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('The options of rateLimitGuard()', () => {
  it.each<[string, object, string]>([
    [
      'a limit of 0',
      { rpm: 0 },
      'guard.rpm: expected a finite number above 0, or a function of the tenant, got 0',
    ],
    ['an infinite limit', { tpm: Infinity }, 'guard.tpm: expected a finite number above 0'],
    ['a limit as a string', { usdPerDay: '5' }, 'got "5"'],
    [
      'more dollars than the counter can hold',
      { usdPerDay: 1e9 },
      'guard.usdPerDay: expected a finite number above 0, at most',
    ],
    [
      'a tenant that is not a function',
      { tenant: 'acme' },
      'guard.tenant: expected a function of the request, got "acme"',
    ],
    [
      'a priority that is not a function',
      { priority: 5 },
      'guard.priority: expected a function of the request, got 5',
    ],
    [
      'a Redis URL instead of a client',
      { redis: 'redis://:secret@host' },
      'guard.redis: expected an ioredis client, got',
    ],
    [
      'a name that a header cannot carry',
      { name: 'a "b"' },
      'guard.name: expected a string of 1 to 64 letters',
    ],
    ['a misspelt option', { rmp: 5 }, "guard.rmp: expected a known option (did you mean 'rpm'?)"],
  ])('throw ERR_AI_CONFIG at start-up for %s', (_what, options, message) => {
    const error = configErrorOf(options);
    expect(error).toMatchObject({
      code: 'ERR_AI_CONFIG',
      message: expect.stringContaining(message) as string,
    });
    expect(String(error)).not.toContain('secret');
  });

  it('are rejected with one error that lists all faults', () => {
    const { message } = configErrorOf({ rpm: -1, tpm: Number.NaN, usdPerDay: null }) as Error;
    for (const option of ['rpm', 'tpm', 'usdPerDay']) expect(message).toContain(`guard.${option}: expected`);
  });

  it('are checked by aiBalancer() too', () => {
    const guard = { rpm: -1 };
    expect(() => aiBalancer(rig.balancer([ENDPOINT]), { guard })).toThrow('guard.rpm: expected');
  });

  it("can't use the name of another guard of the same balancer", () => {
    const balancer = rig.balancer([ENDPOINT]);
    const options: RateLimitGuardOptions = { name: 'shop', rpm: 5 };
    rateLimitGuard(balancer, options);
    expect(configErrorOf(options, balancer)).toMatchObject({
      message: expect.stringContaining('guard.name: expected a name that no other guard') as string,
    });
    expect(configErrorOf(options)).toBeUndefined();
    expect(configErrorOf({}, balancer)).toBeUndefined();
    expect(configErrorOf({}, balancer)).toBeUndefined();
  });

  it('can be replaced by a guard in aiBalancer(), but only one for the same balancer', () => {
    const [one, two] = [rig.balancer([ENDPOINT]), rig.balancer([ENDPOINT])];
    const guard = rateLimitGuard(one, { rpm: 5 });
    expect(() => aiBalancer(one, { guard })).not.toThrow();
    expect(() => aiBalancer(two, { guard })).toThrow("got another balancer's guard");
    expect(() => aiBalancer(two, { guard: (_req, _res, next) => next() })).toThrow('got another function');
  });
});
