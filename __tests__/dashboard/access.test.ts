import express, { type ErrorRequestHandler } from 'express';
import { type AiDashboardOptions, aiDashboard } from 'express-ai-balancer';
import { EXPRESS_VERSIONS } from '../helpers/express';
import { endpointAt } from '../helpers/provider';
import { control, DashboardRig, LiveView, OWN_HEADERS, read } from './fixtures/dashboard';

const rig = new DashboardRig();
const PATHS = ['/', '/assets/app.mjs', '/stats.json', '/events'];
const DISABLE = { endpoint: 'main', action: 'disable' };

/** Rejects with anything, as some libraries do to say no. */
function rejected(reason: unknown): Promise<never> {
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- that is what is tested
  return new Promise((_resolve, reject: (reason: unknown) => void) => reject(reason));
}

describe('The options of aiDashboard()', () => {
  const balancer = () => rig.rig.balancer([endpointAt({ url: 'http://127.0.0.1:9/v1' })]);

  it('require authorize, which is a function or false', () => {
    for (const options of [undefined, {}, { authorize: true }, { authorize: 'view' }, { authorize: null }]) {
      expect(() => aiDashboard(balancer(), options as unknown as AiDashboardOptions)).toThrow(
        /dashboard[\s\S]*expected/,
      );
    }
    expect(aiDashboard(balancer(), { authorize: false })).toBeInstanceOf(Function);
  });

  it.each<[string, Partial<AiDashboardOptions>]>([
    ['maxViewers', { maxViewers: 0 }],
    ['title', { title: ' ' }],
    ['extension.script', { extension: { script: 'https://elsewhere.example/x.mjs' } }],
    ['extension.script', { extension: { script: '//elsewhere.example/x.mjs' } }],
    ['extension.style', { extension: { script: '/x.mjs', style: '"><script>' } }],
  ])('are rejected with ERR_AI_CONFIG that names an invalid %s', (name, options) => {
    const create = () => aiDashboard(balancer(), { authorize: false, ...options });
    expect(create).toThrow(`dashboard.${name}: expected`);
  });

  it('are rejected with a hint for an unknown option, and if the first argument is not a balancer', () => {
    const options = { authorise: () => true } as unknown as AiDashboardOptions;
    expect(() => aiDashboard(balancer(), options)).toThrow(/authorize/);
    expect(() => aiDashboard({} as never, { authorize: false })).toThrow(/dashboard\.balancer/);
  });
});

describe.each(EXPRESS_VERSIONS)('authorize of aiDashboard() in Express %s', (_version, create) => {
  const open = (authorize: AiDashboardOptions['authorize'], totalMs?: number) =>
    rig.open({ app: create(), dashboard: { authorize }, ...(totalMs === undefined ? {} : { totalMs }) });

  it.each<unknown>([false, undefined, null, '', 'admin', 1])(
    'refuses every path with 403 if it returns %p',
    async (access) => {
      const { url, balancer } = await open(() => access as boolean);
      for (const path of PATHS) {
        const { status, text } = await read(url + path);
        expect([path, status]).toEqual([path, 403]);
        expect(text).not.toContain('main');
      }
      expect((await control(url, DISABLE)).status).toBe(403);
      expect(balancer.endpoint('main').state).toBe('closed');
    },
  );

  it('allows viewing and control if it returns true or "control"', async () => {
    for (const access of [true, 'control'] as const) {
      const { url, balancer } = await open(() => Promise.resolve(access));
      for (const path of PATHS.slice(0, 3)) expect((await read(url + path)).status).toBe(200);
      expect((await control(url, DISABLE)).status).toBe(200);
      expect(balancer.endpoint('main').state).toBe('disabled');
    }
  });

  it('allows viewing but not control if it returns "view", or if the option is false', async () => {
    for (const authorize of [() => 'view' as const, false] as const) {
      const { url, balancer } = await open(authorize);
      for (const path of PATHS.slice(0, 3)) expect((await read(url + path)).status).toBe(200);
      const view = await LiveView.open(url);
      expect((await control(url, DISABLE)).status).toBe(403);
      expect(balancer.endpoint('main').state).toBe('closed');
      view.close();
    }
  });

  it("refuses a request if it rejects without an Error, while an Error is passed to the app's error handler", async () => {
    const seen: unknown[] = [];
    const onError: ErrorRequestHandler = (error, _req, res, _next) => {
      seen.push(error);
      res.status(500).end('own handler');
    };
    for (const reason of [undefined, null, 'no', 0]) {
      const { url } = await open(() => rejected(reason));
      expect((await read(`${url}/stats.json`)).status).toBe(403);
    }
    for (const fail of [
      () => {
        throw new Error('no database');
      },
      () => Promise.reject(new Error('no database')),
    ]) {
      const app = create();
      const { url } = await rig.open({ app, dashboard: { authorize: fail } });
      app.use(onError);
      const { status, text } = await read(`${url}/stats.json`);
      expect([status, text]).toEqual([500, 'own handler']);
      expect(seen.splice(0)).toMatchObject([{ message: 'no database' }]);
    }
  });

  it('causes a 504 if its promise never settles', async () => {
    const { url } = await open(() => new Promise(() => undefined), 50);
    const { status, text } = await read(`${url}/stats.json`);
    expect(status).toBe(504);
    expect(text).toContain('took too long');
  });

  it('is called for every request, with the request', async () => {
    const { url } = await open((req) => req.get('x-user') === 'ann' && 'view');
    expect((await read(`${url}/stats.json`, { 'x-user': 'ann' })).status).toBe(200);
    expect((await read(`${url}/stats.json`, { 'x-user': 'bob' })).status).toBe(403);
  });
});

describe.each(EXPRESS_VERSIONS)('Control requests to aiDashboard() in Express %s', (_version, create) => {
  const open = (before?: Parameters<DashboardRig['open']>[0]) => rig.open({ app: create(), ...before });

  it('disable, enable and set the weight of an endpoint', async () => {
    const { url, balancer } = await open();
    expect(await control(url, DISABLE)).toEqual({
      status: 200,
      text: JSON.stringify({ endpoint: 'main', state: 'disabled' }),
    });
    expect((await control(url, { endpoint: 'main', action: 'enable' })).status).toBe(200);
    expect(balancer.endpoint('main').state).toBe('closed');
    expect((await control(url, { endpoint: 'main', action: 'weight', weight: 2.5 })).status).toBe(200);
    expect(balancer.stats().endpoints[0]?.weight).toBe(2.5);
  });

  it('are accepted if the app has already parsed the body', async () => {
    const { url, balancer } = await open({ before: (app) => app.use(express.json()) });
    expect((await control(url, DISABLE)).status).toBe(200);
    expect(balancer.endpoint('main').state).toBe('disabled');
  });

  it.each<[string, Record<string, string>]>([
    ['headers of another site', { ...OWN_HEADERS, 'sec-fetch-site': 'cross-site' }],
    ['headers of a sibling site', { ...OWN_HEADERS, 'sec-fetch-site': 'same-site' }],
    ['headers of a navigation', { ...OWN_HEADERS, 'sec-fetch-site': 'none' }],
    [
      'another origin from a browser without Sec-Fetch-Site',
      {
        'content-type': 'application/json',
        'x-ai-dashboard': '1',
        origin: 'http://evil.example',
      },
    ],
    ['an opaque origin', { 'content-type': 'application/json', 'x-ai-dashboard': '1', origin: 'null' }],
    ['no x-ai-dashboard header', { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' }],
  ])('are refused with 403 if they come with %s', async (_name, headers) => {
    const { url, balancer } = await open();
    expect((await control(url, DISABLE, headers)).status).toBe(403);
    expect(balancer.endpoint('main').state).toBe('closed');
  });

  it('from the same origin are accepted from a browser without Sec-Fetch-Site', async () => {
    const { url } = await open();
    const headers = {
      'content-type': 'application/json',
      'x-ai-dashboard': '1',
      origin: new URL(url).origin,
    };
    expect((await control(url, DISABLE, headers)).status).toBe(200);
  });

  const invalid: [name: string, status: number, body: unknown, headers?: Record<string, string>][] = [
    ['a form', 415, 'endpoint=main', { ...OWN_HEADERS, 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', 415, JSON.stringify(DISABLE), { ...OWN_HEADERS, 'content-type': 'text/plain' }],
    ['broken JSON', 400, '{"endpoint":'],
    ['a large body', 413, { ...DISABLE, note: 'x'.repeat(5_000) }],
    ['no endpoint', 400, { action: 'disable' }],
    ['an unknown endpoint', 404, { endpoint: 'mian', action: 'disable' }],
    ['an unknown action', 400, { endpoint: 'main', action: 'constructor' }],
    ['a weight that is a string', 400, { endpoint: 'main', action: 'weight', weight: '2' }],
    ['a negative weight', 400, { endpoint: 'main', action: 'weight', weight: -1 }],
    ['a list', 400, []],
  ];
  it.each(invalid.map(([name, status, body, headers = OWN_HEADERS]) => ({ name, status, body, headers })))(
    'with $name get status $status',
    async ({ status, body, headers }) => {
      const { url, balancer } = await open();
      const answer = await control(url, body, headers);
      expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(/"message":".+"/)]);
      expect(balancer.stats().endpoints[0]).toMatchObject({ state: 'closed', weight: 1 });
    },
  );
});
