/** The code of the documentation that runs in a browser or on Express 4, taken from the documents as it is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformSync } from '@swc/core';
import express, { type Express } from 'express';
import { aiBalancer, type Balancer, type BalancerConfig } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../helpers/browser';
import { EXPRESS_VERSIONS, post, TestServer } from '../helpers/express';
import { endpointAt, HELLO, Rig } from '../helpers/provider';
import { requires } from '../helpers/requires';

const rig = new Rig();
const site = new TestServer();

/** The blocks of a document in that language, under that heading. */
function snippets(document: string, heading: string, language: string): string[] {
  const text = readFileSync(join(__dirname, '../..', document), 'utf8');
  const [, section = ''] =
    new RegExp(`^#+ ${heading}$([\\s\\S]*?)(?=^#+ |$(?![\\s\\S]))`, 'm').exec(text) ?? [];
  const fence = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'gm');
  return [...section.matchAll(fence)].map(([, code]) => code ?? '');
}

/** Runs a piece of a server that uses `app`. */
function runOn(app: Express, code: string): void {
  const { code: script } = transformSync(code, {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code is from our own documents
  (new Function('app', 'exports', script) as (app: Express, exports: object) => void)(app, {});
}

const chromium = requires('chromium');

chromium.describe('The browser code of docs/streaming.md', () => {
  const [server = ''] = snippets('docs/streaming.md', 'Forward it to a browser', 'ts');
  const [byFetch = '', byEventSource = ''] = snippets('docs/streaming.md', 'In the browser', 'js');
  let browser: Browser;
  let provider: SimulatedProvider;

  beforeAll(async () => {
    browser = await launchBrowser(chromium.path);
  });
  afterAll(() => browser.close());

  /** What the page shows in the end, after the code has run in it. */
  async function run(code: string, config: Partial<BalancerConfig> = {}): Promise<Shown> {
    const endpoints = [endpointAt(provider), endpointAt(provider, { name: 'other', tier: 1 })];
    const balancer = rig.balancer(endpoints, { retry: { maxAttempts: 1 }, ...config });
    const app = express();
    app.use(express.json(), aiBalancer(balancer));
    app.get('/', (_req, res) => void res.type('html').send('<title>Shop</title>'));
    runOn(app, server);
    // The documents leave out the route of the EventSource, whose question is in its URL.
    app.get('/chat', (req, res) => {
      const messages = [{ role: 'user', content: req.query.question as string }];
      void req.ai.chat({ messages, stream: true }).pipe(res);
    });
    const page = await browser.newPage();
    try {
      await page.goto(await site.listen(app));
      return await page.evaluate<Shown>(`(async () => {
        const shown = { text: '', cleared: 0 };
        const show = (text) => { shown.text += text; };
        const clear = () => { shown.text = ''; shown.cleared++; };
        const fail = (message) => { shown.failure = message; };
        const messages = ${JSON.stringify(HELLO.messages)};
        const question = ${JSON.stringify(HELLO.messages[0]!.content)};
        try {
          ${code}
        } catch (error) {
          fail(error.message);
        }
        return shown;
      })()`);
    } finally {
      await page.close();
    }
  }

  /** Waits until the source is closed: it connects no more. */
  const untilClosed = `${byEventSource}
    for (const end = Date.now() + 60000; source.readyState !== EventSource.CLOSED && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 20));
    shown.isClosed = source.readyState === EventSource.CLOSED;`;

  describe.each([
    ['fetch', byFetch],
    ['EventSource', untilClosed],
  ])('with %s', (name, code) => {
    const end = name === 'EventSource' ? { isClosed: true } : {};

    beforeEach(async () => {
      provider = await rig.provider({ timeScale: 0.02 });
    });

    it('shows the whole answer of one call', async () => {
      const shown = await run(code);
      expect(shown).toEqual({ text: expect.stringMatching(/\w+ \w+/) as string, cleared: 0, ...end });
      expect(provider.requests).toHaveLength(1);
    });

    it('reports one failure, and no complete answer, if the stream breaks off', async () => {
      provider.fault({ kind: 'cut' });
      const shown = await run(code);
      expect(shown).toEqual({
        text: expect.stringMatching(/\w+/) as string,
        cleared: 0,
        failure: 'The answer broke off before it was complete.',
        ...end,
      });
      expect(provider.requests).toHaveLength(1);
    });

    it('clears the text if another endpoint restarts the answer', async () => {
      provider.fault({ kind: 'cut', calls: 1 });
      const shown = await run(code, { stream: { recovery: 'restart' }, retry: { maxAttempts: 3 } });
      expect(shown).toEqual({ text: expect.stringMatching(/\w+ \w+/) as string, cleared: 1, ...end });
    });
  });

  it('with fetch shows the message of a failed call, without the name of the endpoint', async () => {
    provider = await rig.provider();
    provider.fault({ kind: 'unauthorized' });
    const { failure } = await run(byFetch);
    expect(failure).toBe('Every endpoint that was tried failed.');
  });
});

interface Shown {
  readonly text: string;
  readonly cleared: number;
  readonly failure?: string;
  readonly isClosed?: boolean;
}

describe.each(EXPRESS_VERSIONS)(
  'The error handling of docs/getting-started.md on Express %s',
  (_version, framework) => {
    const code = snippets('docs/getting-started.md', 'Express 4 and 5', 'ts').find((each) =>
      each.includes('catchErrors'),
    );

    async function serve(balancer: Balancer): Promise<string> {
      const app = framework().set('env', 'test');
      app.use(framework.json(), aiBalancer(balancer));
      runOn(app, code ?? '');
      return `${await site.listen(app)}/helpdesk`;
    }

    it('responds with the status of a failed call, and then serves the next one', async () => {
      const provider = await rig.provider();
      provider.fault({ kind: 'err5xx', calls: 1 });
      const endpoint = endpointAt(provider, { aliases: ['gpt-4o-mini'] });
      const url = await serve(rig.balancer([endpoint], { retry: { maxAttempts: 1 } }));
      const { messages } = HELLO;
      expect((await post(url, {}, { messages })).status).toBe(502);
      expect(await post(url, {}, { messages })).toMatchObject({
        status: 200,
        json: { choices: [{ message: { content: expect.any(String) as string } }] },
      });
    });
  },
);
