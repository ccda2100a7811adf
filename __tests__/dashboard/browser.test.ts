import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { FLEET } from '../../examples/flash-sale/fleet';
import { SALE, scaledTo } from '../../examples/flash-sale/sale';
import { Stage } from '../../examples/flash-sale/stage';
import { pause } from '../helpers/async';
import { launchBrowser } from '../helpers/browser';
import { endpointAt, HELLO } from '../helpers/provider';
import { requires } from '../helpers/requires';
import { DashboardRig } from './fixtures/dashboard';

const WAIT_MS = 50_000;

const real = requires('chromium');
const rig = new DashboardRig();

real.describe('The dashboard in a browser', () => {
  let browser: Browser;
  const trouble: string[] = [];

  beforeAll(async () => {
    browser = await launchBrowser(real.path);
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(trouble.splice(0)).toEqual([]);
  });

  async function open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await (await browser.newContext(options)).newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.on('pageerror', (error) => trouble.push(error.message));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) trouble.push(message.text());
    });
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== new URL(url).origin) trouble.push(`outside: ${request.url()}`);
    });
    await page.goto(url);
    await page.locator('#live', { hasText: 'Live' }).waitFor();
    return page;
  }

  const row = (page: Page, name: string) => page.locator(`tr[data-endpoint="${name}"]`);
  const share = async (page: Page, name: string) =>
    Number.parseFloat((await row(page, name).locator('.c-share b').innerText()).replace('<', ''));

  /** The page's own policy forbids to wait with a function in the page. */
  async function waitUntil(test: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!(await test())) {
      if (performance.now() > deadline) throw new Error('the condition did not hold in time');
      await pause(250);
    }
  }

  /** The healthy endpoint with most of the traffic, once there is some. */
  async function busiestOf(page: Page): Promise<string> {
    let busiest: { name: string; percent: number } | undefined;
    await waitUntil(async () => {
      const healthy = page.locator('tbody tr[data-level=good]');
      const names = await healthy.locator('.name').allInnerTexts();
      for (const name of names) {
        const percent = await share(page, name);
        if (percent > (busiest?.percent ?? 20)) busiest = { name, percent };
      }
      return busiest !== undefined;
    });
    return busiest!.name;
  }

  const choose = (page: Page, filter: 'endpoint' | 'route', label: string) =>
    page.locator(`#${filter}-filter`).getByLabel(label, { exact: true }).check();

  /** The page of a fleet of `count` endpoints, with some calls. */
  async function fleet(count: number, options: BrowserContextOptions = {}) {
    const [well, sick] = [await rig.rig.provider(), await rig.rig.provider()];
    sick.fault({ kind: 'unauthorized' });
    const endpoints = Array.from({ length: count }, (_, at) =>
      endpointAt(at === 1 ? sick : well, {
        name: `endpoint-${at}`,
        rpm: 6_000,
        tpm: 1e6,
        price: { input: 1, output: 2 },
      }),
    );
    const { url, balancer } = await rig.open({ endpoints });
    const page = await open(`${url}/`, options);
    await balancer.chat(HELLO, { endpoint: 'endpoint-1' }).catch(() => undefined);
    for (let call = 0; call < 20; call++) await balancer.chat(HELLO);
    await page.locator('#routes li').first().waitFor();
    return { page, balancer };
  }

  it('shows the sale of the demo, and traffic moves to other endpoints when one is disabled with its button', async () => {
    const stage = await Stage.open({
      // Six calls per second at the peak: this test may share its machine.
      sale: {
        ...scaledTo(SALE, 20),
        usualRate: 1,
        peakFactor: 6,
        down: { provider: 'openai-4o-mini', from: 3, to: 10 },
      },
      providers: FLEET.filter(({ name }) => /mini|gemini|groq/.test(name)),
      speed: 1,
      folder: join(__dirname, '../../examples/flash-sale/public'),
    });
    try {
      const page = await open(stage.url);
      const sale = stage.play();
      await page.locator('.shop').nth(2).waitFor();
      await page.getByText('customers per second').waitFor();

      // The sale breaks a provider.
      const faults = page.getByRole('list', { name: 'Broken providers' });
      await faults.getByText('openai-4o-mini: down').waitFor();

      // Most of the traffic goes to one endpoint, until that is disabled.
      const busiest = await busiestOf(page);
      const before = await share(page, busiest);
      await page.getByRole('button', { name: `Disable ${busiest}` }).click();
      await page
        .getByRole('status')
        .filter({ hasText: `${busiest} is disabled.` })
        .waitFor();
      await row(page, busiest).locator('.state', { hasText: 'Disabled' }).waitFor();
      await waitUntil(async () => (await share(page, busiest)) < 0.8 * before);
      await sale;
      await page.getByText('The sale is over.').waitFor();
      await page.getByRole('button', { name: `Enable ${busiest}` }).click();
      await row(page, busiest).locator('.state', { hasText: 'Healthy' }).waitFor();
      for (const name of ['balanced', 'roundRobin', 'oneKey']) {
        expect(Number(await page.locator(`.shop.${name} dd`).first().innerText())).toBeGreaterThan(10);
      }

      // The buttons of the demo.
      await page.locator('#fault-provider').selectOption('groq-70b');
      await page.locator('#fault-kind').selectOption('bad key');
      await page.getByRole('button', { name: 'Break it' }).click();
      await page.getByRole('button', { name: 'Heal groq-70b' }).click();
      await page.getByRole('button', { name: 'Start again' }).click();
      await page.getByText('customers per second').waitFor();
      // Before the server ends: a page that loses it says so on the console.
      await page.close();
    } finally {
      await stage.close();
    }
  });

  it('lets a user disable, enable and set the weight of endpoints with the keyboard alone', async () => {
    const { page, balancer } = await fleet(3);
    await page.getByRole('button', { name: 'Disable endpoint-0' }).focus();
    await page.keyboard.press('Enter');
    await row(page, 'endpoint-0').locator('.state', { hasText: 'Disabled' }).waitFor();
    expect(balancer.endpoint('endpoint-0').state).toBe('disabled');
    await page.getByRole('button', { name: 'Enable endpoint-0' }).focus();
    await page.keyboard.press('Enter');
    await row(page, 'endpoint-0').locator('.state', { hasText: 'Healthy' }).waitFor();
    await page.getByRole('spinbutton', { name: 'Weight of endpoint-2' }).fill('0');
    await page.keyboard.press('Enter');
    await row(page, 'endpoint-2').locator('.state', { hasText: 'Weight 0' }).waitFor();
    expect(balancer.stats().endpoints[2]?.weight).toBe(0);
    await page.getByRole('log').filter({ hasText: 'endpoint-0: Healthy' }).waitFor({ state: 'attached' });
  });

  it('shows why an endpoint takes no calls, and why a call went to its endpoint', async () => {
    const { page } = await fleet(3);
    await page
      .locator('#attention')
      .getByText(/unauthorized \(HTTP 401.*min left/)
      .waitFor();
    await choose(page, 'route', 'Failed');
    await page.locator('#routes li').filter({ hasText: 'unauthorized 401' }).first().waitFor();
    await choose(page, 'route', 'All');
    const first = page.locator('#routes details').first();
    await first.locator('summary').click();
    await first.getByText(/The last decision looked at 3 endpoints/).waitFor();
    await first.locator('.why li').first().waitFor();
  });

  it('shows the labels of the chart in full', async () => {
    const { page } = await fleet(2, { viewport: { width: 1_200, height: 900 } });
    const label = page.locator('#chart text.y', { hasText: / ms$/ });
    const [inner, outer] = [await label.boundingBox(), await page.locator('#chart').boundingBox()];
    expect(inner!.x).toBeGreaterThanOrEqual(outer!.x);
  });

  it('has pages, search, filter and sorting for 500 endpoints', async () => {
    const { page } = await fleet(500);
    await page.locator('#endpoints-count', { hasText: '500' }).waitFor();
    expect(await page.locator('tbody tr').count()).toBe(25);
    await page.getByRole('button', { name: 'Next' }).click();
    await row(page, 'endpoint-25').waitFor();
    await page.getByLabel('Search endpoints').fill('endpoint-49');
    await page.locator('#endpoints-count', { hasText: '11 of 500' }).waitFor();
    await page.getByLabel('Search endpoints').fill('');
    await choose(page, 'endpoint', 'Needs attention');
    await page.locator('#endpoints-count', { hasText: '1 of 500' }).waitFor();
    await choose(page, 'endpoint', 'All');
    await page.getByRole('columnheader', { name: 'State' }).getByRole('button').click();
    expect(await page.locator('tbody tr').first().getAttribute('data-endpoint')).toBe('endpoint-1');
    expect(await page.locator('th.c-state').first().getAttribute('aria-sort')).toBe('ascending');
  });

  it.each<[string, BrowserContextOptions]>([
    ['light', { colorScheme: 'light', viewport: { width: 1280, height: 900 } }],
    ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 900 } }],
    ['light at 390 px', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
    ['dark at 390 px', { colorScheme: 'dark', viewport: { width: 390, height: 844 } }],
  ])(
    'has no serious accessibility fault and no horizontal scrolling in %s',
    async (_name, options) => {
      const { page } = await fleet(12, options);
      await page.locator('#routes summary').first().click();
      const [scroll, width] = await page.evaluate<[number, number]>(
        '[document.documentElement.scrollWidth, innerWidth]',
      );
      expect(scroll).toBeLessThanOrEqual(width);
      // Not as an inline script: the page's own policy would refuse it.
      await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
      const faults = await page.evaluate<string[]>(
        `axe.run().then(({ violations }) => violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ' at ' + target)))`,
      );
      expect(faults).toEqual([]);
    },
    60_000,
  );

  it('shows why access is refused, and reconnects when access is allowed again', async () => {
    const { page } = await fleet(2);
    for (const path of ['**/events', '**/stats.json']) {
      await page.route(path, (route) =>
        route.fulfill({ status: 403, json: { error: { message: 'You may not use this page.' } } }),
      );
    }
    await page.reload();
    await page.getByRole('alert').filter({ hasText: 'You may not use this page.' }).waitFor();
    await page.unroute('**/events');
    await page.unroute('**/stats.json');
    await page.locator('#live', { hasText: 'Live' }).waitFor();
    trouble.splice(0);
  });
});
