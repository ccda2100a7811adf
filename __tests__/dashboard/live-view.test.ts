import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { aiDashboard } from 'express-ai-balancer';
import { EXPRESS_VERSIONS } from '../helpers/express';
import { endpointAt, HELLO, until } from '../helpers/provider';
import { DashboardRig, LiveView } from './fixtures/dashboard';

const rig = new DashboardRig();
const BIG_FLEET = Array.from({ length: 500 }, (_, at) =>
  endpointAt({ url: 'http://127.0.0.1:9/v1' }, { name: `endpoint-${at}`, rpm: 600, tpm: 600_000 }),
);
/** Time is in the test's hand; sockets and promises go on. */
const CLOCK = { doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] as const };

describe('The live view of the dashboard', () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: [...CLOCK.doNotFake] }));
  afterEach(() => jest.useRealTimers());

  /** Lets the given time pass in small steps, with whatever the sockets have to do. */
  async function pass(ms: number, stepMs = 50): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      jest.advanceTimersByTime(stepMs);
      await io();
    }
  }
  async function io(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  /** Real sockets need some turns of the event loop. */
  async function settled(condition: () => boolean): Promise<void> {
    for (let turn = 0; turn < 2_000 && !condition(); turn++) await io();
    expect(condition()).toBe(true);
  }
  /** Opens a view; the clock stands still meanwhile. */
  async function watch(url: string): Promise<LiveView> {
    const view = await LiveView.open(url);
    await settled(() => view.status !== 200 || view.named('hello').length > 0);
    return view;
  }

  it("begins with the viewer's permissions and a whole snapshot, and then sends only changes", async () => {
    const { url, balancer } = await rig.open({ dashboard: { authorize: () => 'view' } });
    const view = await watch(url);
    await pass(500);
    await settled(() => view.frames > 0);
    expect(view.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
    });
    expect(view.events.slice(0, 2)).toMatchObject([
      { name: 'hello', data: { access: 'view' } },
      {
        name: 'snapshot',
        data: { totals: { total: 1, healthy: 1 }, endpoints: [{ name: 'main', state: 'closed' }], calls: [] },
      },
    ]);
    await pass(500);
    await settled(() => view.frames > 1);
    expect(view.named('update').at(-1)).toMatchObject({ endpoints: [] });
    balancer.endpoint('main').disable();
    await pass(500);
    await settled(() => view.frames > 2);
    expect(view.named('update').at(-1)).toMatchObject({
      totals: { healthy: 0 },
      endpoints: [{ name: 'main', state: 'disabled', reason: expect.stringContaining('Disabled') as string }],
    });
    view.close();
  });

  it('sends at most two updates per second to each viewer, with 500 endpoints and many viewers', async () => {
    const { url } = await rig.open({ endpoints: BIG_FLEET });
    const views = await Promise.all(Array.from({ length: 5 }, () => watch(url)));
    await pass(3_000);
    const late = await watch(url);
    await pass(2_000);
    for (const view of views) {
      expect(view.frames).toBeGreaterThanOrEqual(8);
      expect(view.frames).toBeLessThanOrEqual(11);
      expect(view.named('snapshot')).toHaveLength(1);
      expect(view.named('snapshot')[0]?.endpoints).toHaveLength(500);
    }
    expect(late.frames).toBeLessThanOrEqual(5);
    for (const view of [...views, late]) view.close();
  });

  it('reads the state once for all viewers, and not at all without viewers', async () => {
    const { url, balancer } = await rig.open();
    const stats = jest.spyOn(balancer, 'stats');
    await pass(2_000);
    expect(stats).not.toHaveBeenCalled();
    const timers = jest.getTimerCount();
    const views = await Promise.all(Array.from({ length: 10 }, () => watch(url)));
    expect(jest.getTimerCount()).toBe(timers + 1);
    await pass(2_000);
    expect(stats.mock.calls.length).toBeLessThanOrEqual(5);
    for (const view of views) view.close();
    await settled(() => jest.getTimerCount() === timers);
    stats.mockClear();
    await pass(5_000);
    expect(stats).not.toHaveBeenCalled();
  });

  it('refuses a viewer above maxViewers with 503 until another one has disconnected', async () => {
    const { url } = await rig.open({ dashboard: { maxViewers: 2 } });
    const [first, second] = await Promise.all([watch(url), watch(url)]);
    const third = await LiveView.open(url);
    expect([third.status, third.headers['retry-after']]).toEqual([503, '5']);
    third.close();
    first.close();
    await io();
    let fourth = await LiveView.open(url);
    for (let attempt = 0; attempt < 50 && fourth.status === 503; attempt++) fourth = await LiveView.open(url);
    expect(fourth.status).toBe(200);
    second.close();
    fourth.close();
  });

  it('skips a viewer that does not read and later drops it, while the others stay up to date', async () => {
    const { url, balancer } = await rig.open({ endpoints: BIG_FLEET, dashboard: { maxViewers: 2 } });
    const [slow, quick] = await Promise.all([watch(url), watch(url)]);
    await pass(1_000);
    await settled(() => quick.frames > 0 && slow.frames > 0);
    slow.pause();
    // Every row changes in every update, so that the buffers of the connection fill up.
    for (let update = 1; update <= 100; update++) {
      for (const { name } of BIG_FLEET) balancer.endpoint(name).setWeight(update);
      await pass(500, 500);
    }
    await settled(() => JSON.stringify(quick.events.at(-1)).includes('"weight":100'));
    expect(quick.named('snapshot')).toHaveLength(1);
    // There is room again: the slow one is gone.
    const third = await watch(url);
    expect(third.status).toBe(200);
    for (const view of [slow, quick, third]) view.close();
  });

  it('sends a skipped viewer everything that it has missed', async () => {
    const { url, balancer } = await rig.open({ endpoints: BIG_FLEET });
    const view = await watch(url);
    await pass(1_000);
    await settled(() => view.frames > 0);
    view.pause();
    for (let update = 1; update <= 20; update++) {
      for (const { name } of BIG_FLEET) balancer.endpoint(name).setWeight(update);
      await pass(500, 500);
    }
    view.resume();
    for (let update = 0; update < 4; update++) {
      await pass(500, 500);
      await settled(() => true);
    }
    const weights = new Map<string, unknown>();
    for (const { data } of view.events) {
      for (const row of (data.endpoints ?? []) as { name: string; weight: number }[])
        weights.set(row.name, row.weight);
    }
    expect(weights.size).toBe(500);
    expect(new Set(weights.values())).toEqual(new Set([20]));
    expect(view.named('snapshot')).toHaveLength(1);
    view.close();
  });

  it('ends a connection after five minutes, so that authorize is called again', async () => {
    const { url } = await rig.open();
    const view = await watch(url);
    await pass(299_000, 500);
    expect(view.isClosed).toBe(false);
    await pass(2_000, 500);
    await settled(() => view.isClosed);
  });

  it('sends a new snapshot when a reload changes the endpoints', async () => {
    const { url, balancer } = await rig.open();
    const view = await watch(url);
    await pass(1_000);
    await settled(() => view.frames > 0);
    const endpoints = ['main', 'more'].map((name) => endpointAt({ url: 'http://127.0.0.1:9/v1' }, { name }));
    await balancer.reload({ endpoints });
    await pass(1_000);
    await settled(() => view.named('snapshot').length === 2);
    expect(view.named('snapshot')[1]?.endpoints).toMatchObject([{ name: 'main' }, { name: 'more' }]);
    view.close();
  });
});

describe.each(EXPRESS_VERSIONS)('The live view of the dashboard in Express %s', (_version, create) => {
  it('shows the calls with their routes, as does /stats.json', async () => {
    const [sick, well] = [await rig.rig.provider(), await rig.rig.provider()];
    sick.fault({ kind: 'unauthorized' });
    const { url, balancer } = await rig.open({
      app: create(),
      endpoints: [
        endpointAt(sick, { name: 'sick', price: { input: 1, output: 2 } }),
        endpointAt(well, { name: 'well', tier: 1, price: { input: 1, output: 2 } }),
      ],
    });
    const view = await LiveView.open(url);
    await until(() => view.frames > 0);
    await balancer.chat(HELLO, { requestId: 'r-1', priority: 4 });
    await until(() => view.named('update').some(({ calls }) => (calls as unknown[]).length > 0));
    const call = {
      requestId: 'r-1',
      outcome: 'rerouted',
      priority: 4,
      endpoint: 'well',
      attempts: [{ endpoint: 'sick', class: 'unauthorized', status: 401 }, { endpoint: 'well' }],
    };
    const update = view.named('update').find(({ calls }) => (calls as unknown[]).length > 0);
    expect(update?.calls).toMatchObject([call]);
    const status = (await (await fetch(`${url}/stats.json`)).json()) as Record<string, unknown>;
    expect(status).toMatchObject({
      totals: { callsPerMinute: 1, failedPerMinute: 0, calls: { ok: 1 } },
      endpoints: [
        {
          name: 'sick',
          state: 'cooldown',
          reason: expect.stringMatching(/^unauthorized \(HTTP 401/) as string,
        },
        { name: 'well', state: 'closed', share: 0.5 },
      ],
      calls: [
        { ...call, why: expect.arrayContaining([expect.objectContaining({ endpoint: 'well' })]) as unknown },
      ],
    });
    const { ok, usd } = status.history as { ok: number[]; usd: number[] };
    expect(ok).toHaveLength(180);
    expect([ok.reduce((a, b) => a + b), usd.some((value) => value > 0)]).toEqual([1, true]);
    view.close();
  });

  it('is refused to pages of other sites, as is /stats.json', async () => {
    const { url } = await rig.open({ app: create() });
    for (const path of ['/events', '/stats.json']) {
      for (const site of ['cross-site', 'same-site']) {
        const answer = await fetch(url + path, { headers: { 'sec-fetch-site': site } });
        expect([path, answer.status]).toEqual([path, 403]);
        expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      }
    }
  });
});

describe('Balancer.close()', () => {
  it('ends the live views of the dashboard, so that they do not block a shutdown, and refuses new ones', async () => {
    const balancer = rig.rig.balancer([endpointAt({ url: 'http://127.0.0.1:9/v1' })]);
    const app = express().use('/ai', aiDashboard(balancer, { authorize: () => true }));
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ai`;
    // As a browser does, fetch keeps its connections alive.
    const view = (await fetch(`${url}/events`)).body!.getReader();
    await view.read();
    await balancer.close();
    while (!(await view.read()).done);
    expect((await fetch(`${url}/events`)).status).toBe(503);
    const shutdown = new Promise((resolve) => server.close(resolve));
    await expect(shutdown).resolves.toBeUndefined();
  });
});
