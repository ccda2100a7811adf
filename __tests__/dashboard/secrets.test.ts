import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rejection, until } from '../helpers/provider';
import { control, DashboardRig, LiveView, read } from './fixtures/dashboard';

const rig = new DashboardRig();
const KEY = 'sk-proj-Ab12_cD34-eF56gH78';
const HEADER = 'org-token/9f8e7d6c';
const PROMPT = 'the customer Ann Lee of 12 Mill Lane';

it('The dashboard never shows a key, a configured header or a prompt, even if an upstream repeats them', async () => {
  let status = 401;
  const upstream = createServer((req, res) => {
    let body = '';
    req.on('data', (text: Buffer) => {
      body += text.toString();
    });
    req.on('end', () => {
      const auth = req.headers.authorization ?? '';
      res.writeHead(status, { 'content-type': 'application/json' });
      const text = `${auth} ${String(req.headers['x-org'])}`;
      // Only a message about the request repeats the request.
      const message = status === 400 || status === 500 ? `${text} ${body}` : text;
      res.end(JSON.stringify({ error: { message, code: auth, type: auth } }));
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port } = upstream.address() as AddressInfo;
  try {
    const { url, balancer } = await rig.open({
      endpoints: [
        {
          name: 'main',
          model: 'gpt-4o',
          baseURL: `http://127.0.0.1:${port}/v1`,
          apiKey: KEY,
          headers: { 'x-org': HEADER },
        },
      ],
    });
    const view = await LiveView.open(url);
    await until(() => view.frames > 0);
    let calls = 0;
    for (status of [401, 402, 404, 429, 400, 500]) {
      balancer.endpoint('main').enable();
      const call = balancer.chat(
        { model: 'gpt-4o', messages: [{ role: 'user', content: PROMPT }] },
        { timeoutMs: 500 },
      );
      await rejection(call);
      calls++;
    }
    // An update shows at most some of the new calls, always the last one.
    const shownCalls = () => view.named('update').flatMap((update) => update.calls as { number: number }[]);
    await until(() => shownCalls().at(-1)?.number === calls);
    const { text } = await read(`${url}/stats.json`);
    const shown = [
      text,
      JSON.stringify(view.events),
      (await read(`${url}/`)).text,
      (await control(url, { endpoint: 'none', action: 'enable' })).text,
    ].join('\n');
    expect(shown).toContain('unauthorized');
    for (const secret of [KEY, HEADER, 'Mill Lane', 'Ann Lee', '9f8e7d6c', 'cD34-eF56']) {
      expect(shown.includes(secret)).toBe(false);
    }
    view.close();
  } finally {
    upstream.closeAllConnections();
    upstream.close();
  }
});
