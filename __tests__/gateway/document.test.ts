import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI, { AuthenticationError } from 'openai';
import { typescriptBlocks } from '../docs/documents';
import { Rig } from '../helpers/provider';
import { runExample } from '../helpers/run-example';
import { apiErrorOf } from './fixtures/gateway';

const rig = new Rig();

describe('docs/gateway.md', () => {
  it('contains an app and a client that work together as written', async () => {
    const provider = await rig.provider({ models: { 'gpt-4o-mini': {} }, reply: () => 'On its way.' });
    const [app, client] = typescriptBlocks('docs/gateway.md');
    const running = await runExample(app!, provider.url);
    const apiKey = /apiKey: '(.+)'/.exec(client!)?.[1];
    const openai = new OpenAI({ baseURL: `${running.url}/v1`, apiKey, maxRetries: 0 });
    const body = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Where?' }] };
    const { data, response } = await openai.chat.completions.create(body).withResponse();
    const stranger = await apiErrorOf(openai.withOptions({ apiKey: 'sk-other' }).models.list());
    await running.close();
    expect(data.choices[0]?.message.content).toBe('On its way.');
    expect(response.headers.get('ratelimit-policy')).toContain('"ai-requests";q=60;w=60');
    expect(stranger).toBeInstanceOf(AuthenticationError);
  });

  it('contains no dead links to files', () => {
    const docs = join(__dirname, '../../docs');
    const text = readFileSync(join(docs, 'gateway.md'), 'utf8');
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => target!);
    expect(targets.length).toBeGreaterThan(1);
    for (const target of targets) expect(() => readFileSync(join(docs, target))).not.toThrow();
  });
});
