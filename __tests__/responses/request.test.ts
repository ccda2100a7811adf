import express from 'express';
import { aiBalancer, smartRouter } from 'express-ai-balancer';
import { post, TestServer } from '../helpers/express';
import { endpointAt, Rig, rejection, until } from '../helpers/provider';

const rig = new Rig();
const site = new TestServer();
const TEXT = 'It left our house this morning.';

describe('req.ai.responses()', () => {
  async function open(reply?: () => string, timeScale = 0) {
    const provider = await rig.provider({ reply, timeScale });
    const balancer = rig.balancer([endpointAt(provider)], { retry: { maxAttempts: 1 } });
    const app = express().set('env', 'test').use(express.json());
    app.use(aiBalancer(balancer, { router: { tenant: 'shop' } }));
    app.post('/ask', smartRouter(balancer, { priority: 5 }), async (req, res) => {
      const { data, route } = await req.ai.responses({ input: req.query.q as string }).withRoute();
      res.json({ text: data.output_text, endpoint: route.endpoint, context: req.ai.context });
    });
    app.post('/stream', (req, res) => req.ai.responses({ input: 'Where is it?', stream: true }).pipe(res));
    return { provider, balancer, url: await site.listen(app) };
  }

  it('uses the context of the request', async () => {
    const { url } = await open(() => TEXT);
    expect((await post(`${url}/ask?q=Where`)).json).toMatchObject({
      text: TEXT,
      endpoint: 'main',
      context: { tenant: 'shop', priority: 5 },
    });
  });

  it('pipes the events of a complete response, the last of which is response.completed', async () => {
    const { url } = await open(() => TEXT);
    const { text, headers } = await post(`${url}/stream`);
    expect(headers.get('content-type')).toContain('text/event-stream');
    const types = [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
    expect(types[0]).toBe('response.created');
    expect(types.at(-1)).toBe('response.completed');
    const deltas = [...text.matchAll(/"type":"response.output_text.delta".*?"delta":("(?:[^"\\]|\\.)*")/g)];
    expect(deltas.map(([, delta]) => JSON.parse(delta!) as string).join('')).toBe(TEXT);
  });

  it('pipes an error instead of response.completed if the stream is cut', async () => {
    const { url, provider } = await open(() => 'word '.repeat(200), 0.1);
    provider.fault({ kind: 'cut', fraction: 0.5 });
    const { text } = await post(`${url}/stream`);
    expect(text).toContain('response.output_text.delta');
    expect(text).toContain('event: response.failed');
    expect(text).toContain('ERR_AI_STREAM_BROKEN');
    expect(text).not.toContain('response.completed');
  });

  it('ends the call at the provider when the client disconnects', async () => {
    const { url, provider, balancer } = await open(() => 'word '.repeat(2_000), 1);
    const leaving = new AbortController();
    const left = fetch(`${url}/stream`, { method: 'POST', signal: leaving.signal });
    await until(() => provider.stats().inFlight === 1);
    leaving.abort();
    await rejection(left.then((response) => response.text()));
    await until(() => provider.stats().aborted === 1);
    expect(balancer.stats().endpoints[0]?.inFlight).toBe(0);
  });
});
