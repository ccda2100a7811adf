import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBalancer } from 'express-ai-balancer';
import { ask as askByAiSdk, balancedModel } from '../../examples/ai-sdk/ai-sdk';
import { createInHouseBalancer, startServer } from '../../examples/custom-dialect/dialect';
import { serveNightAndDay } from '../../examples/custom-strategy/strategy';
import { ask as askGateway, createGateway } from '../../examples/gateway/gateway';
import { askBoth, endpointsOf } from '../../examples/holysheep/shop';
import { createService } from '../../examples/multi-tenant/plans';
import { ask as askLocalFirst, localFirst } from '../../examples/ollama/ollama';
import { rush } from '../../examples/priorities/priorities';
import { post, TestServer } from '../helpers/express';
import { Rig } from '../helpers/provider';

const EXAMPLES = join(__dirname, '../../examples');
const rig = new Rig();
const site = new TestServer();
const QUESTION = 'Where is my parcel?';
const provider = (...models: string[]) =>
  rig.provider({ models: Object.fromEntries(models.map((name) => [name, {}])), reply: () => 'On its way.' });

test('examples/README.md lists every example, and its links lead to files', () => {
  const listed = readFileSync(join(EXAMPLES, 'README.md'), 'utf8').matchAll(/^\| \[([\w-]+)\]\(([^)]+)\)/gm);
  const links = [...listed].map(([, folder, file]) => ({ folder: folder!, file: file! }));
  const folders = readdirSync(EXAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(links.map(({ folder }) => folder).sort()).toEqual(folders.map(({ name }) => name).sort());
  for (const { file } of links) expect([file, existsSync(join(EXAMPLES, file))]).toEqual([file, true]);
});

test('the examples import the package by its name, so that they run in any project', () => {
  const files = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const own = files.filter((name) => /from '[^']*\/lib[/']/.test(readFileSync(join(EXAMPLES, name), 'utf8')));
  expect(own).toEqual([]);
});

test('the examples use nothing that only CommonJS or only ES modules have', () => {
  const files = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const own = files.filter((name) =>
    /\b(?:__dirname|__filename|require[.(]|module\.|import\.meta\b)/.test(
      readFileSync(join(EXAMPLES, name), 'utf8').replace(/^ *(?:\/\/|\/?\*).*$/gm, ''),
    ),
  );
  expect(own).toEqual([]);
});

describe('The example', () => {
  it('gateway: the openai client gets whole and streamed answers, but only with a key of the gateway', async () => {
    const { url } = await provider('gpt-4o-mini');
    const endpoint = { name: 'main', model: 'gpt-4o-mini', baseURL: url, apiKey: 'k' };
    const balancer = createBalancer({ endpoints: [endpoint] });
    const gateway = `${await site.listen(createGateway(balancer))}/v1`;
    expect(await askGateway(gateway, 'sk-shop', QUESTION)).toEqual(['On its way.', 'On its way.']);
    await expect(askGateway(gateway, 'sk-wrong', QUESTION)).rejects.toMatchObject({ status: 401 });
    await balancer.close();
  });

  it('multi-tenant: a free customer is limited, while a business customer is served with a higher priority', async () => {
    const { url } = await provider('gpt-4o-mini');
    const app = createService([{ name: 'main', model: 'gpt-4o-mini', baseURL: url, apiKey: 'k' }]);
    const service = `${await site.listen(app)}/ask`;
    const ask = (customer: string) => post(service, { 'x-customer': customer }, { question: QUESTION });
    const ada = [];
    for (let request = 0; request < 4; request++) ada.push(await ask('ada'));
    expect(ada.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(ada[0]!.json).toMatchObject({ priority: 2 });
    expect(await ask('bob')).toMatchObject({ status: 200, json: { answer: 'On its way.', priority: 4 } });
    await app.balancer.close();
  });

  it('priorities: calls of priority 5 are answered first if there is too little quota', async () => {
    const served = await rush(60, 1_000);
    const answered = ([5, 3, 1] as const).map(
      (priority) => served.filter((call) => call.priority === priority && call.outcome === 'answered').length,
    );
    expect(answered[0]!).toBeGreaterThan(answered[1]! + answered[2]!);
    expect(served.filter(({ outcome }) => outcome !== 'answered').length).toBeGreaterThan(30);
  });

  it('custom-strategy: calls go to the cheap endpoint by night and to the fast one by day', async () => {
    expect(await serveNightAndDay()).toEqual(['cheap', 'fast']);
  });

  it('custom-dialect: a server with its own format is used, and its 401 counts as an invalid key', async () => {
    const server = await startServer();
    const body = { model: 'house-1', messages: [{ role: 'user', content: QUESTION }] };
    const balancer = createInHouseBalancer(server.url, 'secret');
    const { data, route } = await balancer.chat(body).withRoute();
    expect(data.choices[0]?.message.content).toBe('It is on its way.');
    expect(route.usage).toMatchObject({ prompt_tokens: 12, completion_tokens: 5 });
    await expect(balancer.chat({ ...body, stream: true })).rejects.toThrow("does not support 'stream'");
    await balancer.close();
    const wrong = createInHouseBalancer(server.url, 'wrong');
    await expect(wrong.chat(body)).rejects.toMatchObject({ attempts: [{ class: 'unauthorized' }] });
    await wrong.close();
    server.close();
  });

  it('holysheep: two keys become six endpoints, and a simple question gets a cheap model and a hard one a good model', async () => {
    const { url } = await provider('gpt-4o', 'gpt-4o-mini', 'deepseek-chat');
    const endpoints = endpointsOf(['k1', 'k2'], url);
    expect(endpoints).toHaveLength(6);
    const balancer = createBalancer({ endpoints });
    const [simple, hard] = await askBoth(balancer);
    expect(['gpt-4o-mini', 'deepseek-chat']).toContain(simple!.model);
    expect(hard!.model).toBe('gpt-4o');
    await balancer.close();
  });

  it('ollama: the local model answers one call at a time, and the cloud answers the others', async () => {
    const [local, cloud] = [await provider('llama3.2'), await provider('gpt-4o-mini')];
    const balancer = localFirst({ localURL: local.url, cloudURL: cloud.url, apiKey: 'k' });
    expect(await askLocalFirst(balancer, 1)).toEqual(['llama3.2']);
    local.fault({ kind: 'err5xx' });
    expect(await askLocalFirst(balancer, 1)).toEqual(['gpt-4o-mini']);
    await balancer.close();
  });

  it('ai-sdk: generateText() and streamText() succeed while an endpoint is down', async () => {
    const [main, spare] = [await provider('gpt-4o-mini'), await provider('gpt-4o-mini')];
    const common = { model: 'gpt-4o-mini', apiKey: 'k' };
    const balancer = createBalancer({
      endpoints: [
        { ...common, name: 'main', baseURL: main.url },
        { ...common, name: 'spare', baseURL: spare.url },
      ],
    });
    main.fault({ kind: 'err5xx' });
    const answers = await askByAiSdk(balancedModel(balancer, 'gpt-4o-mini'), QUESTION);
    expect(answers).toEqual(['On its way.', 'On its way.']);
    await balancer.close();
  });
});
