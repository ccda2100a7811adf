import { EXPRESS_VERSIONS } from '../helpers/express';
import { DashboardRig, read } from './fixtures/dashboard';

const rig = new DashboardRig();

describe.each(EXPRESS_VERSIONS)('The page of aiDashboard() in Express %s', (_version, create) => {
  it('loads everything from its own origin through relative links, without inline code', async () => {
    const { url } = await rig.open({ app: create() });
    const page = await read(`${url}/`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.text).not.toMatch(/https?:|<style|\sstyle=|\son\w+=|<script(?![^>]*src=)/);
    const links = [...page.text.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)].map(([, link]) => link);
    expect(links).toEqual(expect.arrayContaining(['assets/app.mjs', 'assets/style.css', 'assets/icon.svg']));
    const seen = new Set<string>();
    const visit = async (file: string): Promise<void> => {
      if (seen.has(file)) return;
      seen.add(file);
      const asset = await read(`${url}/assets/${file}`);
      expect([file, asset.status]).toEqual([file, 200]);
      expect(asset.text.replace('http://www.w3.org/2000/svg', '')).not.toMatch(
        /https?:\/\/|eval\(|innerHTML/,
      );
      for (const [, next] of asset.text.matchAll(/from '\.\/([\w-]+\.mjs)'/g)) await visit(next!);
    };
    for (const link of links) await visit(link!.replace('assets/', ''));
    expect(seen.size).toBeGreaterThan(10);
  });

  it('has a strict content security policy that forbids framing on every response', async () => {
    const { url } = await rig.open({ app: create() });
    for (const path of ['/', '/assets/app.mjs', '/stats.json', '/assets/none.mjs']) {
      const { headers } = await read(url + path);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|\*|https?:|data:/);
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    }
  });

  it('replaces a weaker content security policy that the app has set', async () => {
    const { url } = await rig.open({
      app: create(),
      before: (app) =>
        app.use((_req, res, next) => {
          res.setHeader('content-security-policy', "default-src * 'unsafe-inline'");
          next();
        }),
    });
    expect((await read(`${url}/`)).headers.get('content-security-policy')).not.toContain('unsafe');
  });

  it('redirects a URL without a trailing slash, and leaves other paths to the app', async () => {
    const app = create();
    const { url } = await rig.open({ app });
    app.use('/ai/other', (_req, res) => {
      res.end('of the app');
    });
    const { status, headers } = await read(url);
    expect([status, headers.get('location')]).toEqual([302, './ai/']);
    expect((await read(`${url}/other`)).text).toBe('of the app');
    for (const name of ['none.mjs', 'index.html', '..%2fai-dashboard.ts', '__proto__'])
      expect((await read(`${url}/assets/${name}`)).status).toBe(404);
  });

  it('escapes its title, and loads the script and the style sheet of an extension', async () => {
    const { url } = await rig.open({
      app: create(),
      dashboard: {
        title: 'Shop <b>"1"</b>',
        extension: { script: '/shop/panel.mjs', style: '/shop/panel.css' },
      },
    });
    const { text } = await read(`${url}/`);
    expect(text).not.toContain('<b>');
    expect(text).toContain('Shop &#60;b&#62;');
    expect(text).toContain('<script type="module" src="/shop/panel.mjs"></script>');
    expect(text).toContain('<link rel="stylesheet" href="/shop/panel.css">');
  });

  it('responds to HEAD for the live view without opening one', async () => {
    const { url } = await rig.open({ app: create() });
    const { status } = await fetch(`${url}/events`, { method: 'HEAD' });
    expect(status).toBe(200);
  });

  it('responds with 304 for an unchanged file', async () => {
    const { url } = await rig.open({ app: create() });
    const { headers } = await read(`${url}/assets/app.mjs`);
    expect(headers.get('cache-control')).toBe('private, no-cache');
    const again = await read(`${url}/assets/app.mjs`, {
      'if-none-match': headers.get('etag') ?? '',
      'cache-control': 'max-age=0',
    });
    expect(again.status).toBe(304);
  });
});
