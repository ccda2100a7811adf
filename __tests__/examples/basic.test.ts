import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { holysheep } from 'express-ai-balancer';
import { createEndpoints, createHelpdesk } from '../../examples/basic/helpdesk';
import { typescriptBlocks } from '../docs/documents';
import { post, TestServer } from '../helpers/express';
import { Rig } from '../helpers/provider';
import { runExample } from '../helpers/run-example';

const ROOT = join(__dirname, '../..');
const rig = new Rig();
const site = new TestServer();
const MODELS = {
  'gpt-4o-mini': {},
  'gpt-4o': {},
  'gpt-4.1': {},
  'deepseek-chat': {},
  'claude-sonnet-4-20250514': {},
};
const QUESTION = { question: 'Where is my parcel?' };

/** A folder whose package.json has that type, in which this package is found by its name. */
function projectOf(type: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'example-'));
  const write = (name: string, value: object) => writeFileSync(join(folder, name), JSON.stringify(value));
  write('package.json', { type });
  const paths = {
    'express-ai-balancer': [join(ROOT, 'lib/index.ts')],
    'express-ai-balancer/simulator': [join(ROOT, 'lib/simulator/index.ts')],
  };
  write('tsconfig.json', { compilerOptions: { module: 'preserve', paths } });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

describe('The basic example', () => {
  it('answers whole and streamed, and uses another model when one is down', async () => {
    const provider = await rig.provider({ models: MODELS, reply: () => 'On its way.' });
    const app = createHelpdesk(
      holysheep({ apiKey: 'k', baseURL: provider.url, models: ['gpt-4o-mini', 'deepseek-chat'] }),
    );
    const url = await site.listen(app);
    expect((await post(`${url}/ask`, {}, QUESTION)).json).toEqual({ answer: 'On its way.' });
    provider.fault({ kind: 'err5xx', models: ['gpt-4o-mini'] });
    expect((await post(`${url}/ask`, {}, QUESTION)).json).toEqual({ answer: 'On its way.' });
    expect(provider.requests.at(-1)?.model).toBe('deepseek-chat');
    expect((await post(`${url}/ask/live`, {}, QUESTION)).text).toMatch(/data: \[DONE\]\n\n$/);
    expect(await (await fetch(`${url}/stats`)).json()).toMatchObject({
      total: 2,
      calls: { ok: 3, failed: 0 },
    });
    await app.balancer.close();
  });

  it.each(['commonjs', 'module'])(
    'runs in a project of type %s without a key, on a simulated provider',
    async (type) => {
      const folder = projectOf(type);
      copyFileSync(join(ROOT, 'examples/basic/helpdesk.ts'), join(folder, 'helpdesk.ts'));
      const env = { ...process.env, HOLYSHEEP_API_KEY: '', PORT: '0' };
      const child = spawn(process.execPath, ['--import', 'tsx', 'helpdesk.ts'], { env, cwd: folder });
      try {
        const url = await new Promise<string>((resolve, reject) => {
          child.once('exit', () => reject(new Error('the example exited')));
          child.stdout.on('data', (data) =>
            resolve(`http://${/localhost:\d+\/ask/.exec(String(data))?.[0]}`),
          );
        });
        const { status, json } = await post(url, {}, QUESTION);
        expect(status).toBe(200);
        expect((json as { answer: string }).answer.length).toBeGreaterThan(0);
      } finally {
        child.kill('SIGKILL');
        rmSync(folder, { recursive: true });
      }
    },
  );

  it('uses the preset when a key is set', async () => {
    const real = await createEndpoints('sk-real');
    expect(real.map(({ baseURL, model }) => [baseURL, model])).toEqual([
      ['https://api.holysheep.ai/v1', 'gpt-4o-mini'],
      ['https://api.holysheep.ai/v1', 'deepseek-chat'],
    ]);
  });
});

describe('The apps of README.md and docs/getting-started.md', () => {
  const apps = ['README.md', 'docs/getting-started.md'].flatMap((document) =>
    typescriptBlocks(document)
      // The app with a simulated provider is run in __tests__/docs/recipes.test.ts.
      .filter((code) => code.includes('app.listen(') && !code.includes('startProvider'))
      .map((code, index): [string, string] => [`${document}, app ${index + 1}`, code]),
  );

  it('exist in both documents', () => {
    expect(apps.map(([name]) => name.split(',')[0])).toEqual(
      expect.arrayContaining(['README.md', 'docs/getting-started.md']),
    );
  });

  it.each(apps)('include %s, which runs as written', async (_, code) => {
    const provider = await rig.provider({ models: MODELS, reply: () => 'On its way.' });
    const app = await runExample(code, provider.url);
    const { status, text } = await post(`${app.url}/helpdesk`, {}, QUESTION);
    await app.close();
    expect(status).toBe(200);
    expect(text).toMatch(/On its way\.|data: \[DONE\]/);
    expect(provider.requests[0]?.body).toMatchObject({
      messages: expect.arrayContaining([{ role: 'user', content: QUESTION.question }]) as unknown,
    });
  });

  it('are accompanied by the two commands that package.json and .ci/run define', () => {
    const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');
    const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
    for (const command of ['npm install && npm run demo', 'npm install && npm test']) {
      expect(read('README.md')).toContain(command);
      expect(scripts).toHaveProperty(command.split(' ').at(-1) as string);
    }
    expect(read('.ci/run')).toMatch(/npm install .*&& .*npm test/);
  });
});
