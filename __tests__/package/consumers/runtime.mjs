import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import express from 'express';
import { aiGateway, createBalancer, createFetch } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

// What differs between runtimes: sockets, their errors, aborts and web streams.
const provider = await startProvider({ timeScale: 0.1, errorShare: 0, reply: () => 'word '.repeat(200) });
const closed = createServer().listen(0, '127.0.0.1');
await new Promise((resolve) => closed.once('listening', resolve));
const deadUrl = `http://127.0.0.1:${closed.address().port}/v1`;
await new Promise((resolve) => closed.close(resolve));
const balancer = createBalancer({
  logger: false,
  retry: { maxAttempts: 2 },
  endpoints: [
    { name: 'dead', model: 'gpt-4o', baseURL: deadUrl, apiKey: 'k' },
    { name: 'live', model: 'gpt-4o', baseURL: provider.url, apiKey: 'k', tier: 1 },
  ],
});
const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };

const { data, route } = await balancer.chat(body).withRoute();
assert.match(data.choices[0].message.content, /^(word )+/);
assert.deepEqual(
  route.attempts.map(({ endpoint, class: failure }) => [endpoint, failure]),
  [
    ['dead', 'connection'],
    ['live', undefined],
  ],
);

const app = express().use('/v1', aiGateway(balancer, { authenticate: false }));
const server = app.listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const overHttp = [`http://127.0.0.1:${server.address().port}/v1/chat/completions`, fetch];
const inProcess = ['http://balancer/v1/chat/completions', createFetch(balancer)];
for (const [url, send] of [overHttp, inProcess]) {
  const ask = (more = {}) =>
    send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, stream: true }),
      ...more,
    });
  assert.match(await (await ask()).text(), /"finish_reason":"stop"[^]*\[DONE\]\n\n$/);

  const fault = provider.fault({ kind: 'cut', fraction: 0.5 });
  const cut = await (await ask()).text();
  assert.match(cut, /ERR_AI_STREAM_BROKEN/);
  assert.doesNotMatch(cut, /\[DONE\]/);
  await fault.end();

  const { aborted } = provider.stats();
  const leaving = new AbortController();
  const reader = (await ask({ signal: leaving.signal })).body.getReader();
  await reader.read();
  leaving.abort();
  await reader
    .read()
    .then(async () => {
      for (;;) if ((await reader.read()).done) throw new Error('ended');
    })
    .catch((error) => assert.equal(error.name, 'AbortError'));
  for (let n = 0; provider.stats().aborted === aborted; n++) {
    assert.ok(n < 200, 'the call goes on at the provider');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
assert.equal(
  balancer.stats().endpoints.reduce((sum, { inFlight }) => sum + inFlight, 0),
  0,
);
server.closeAllConnections?.();
server.close();
await Promise.all([balancer.close(), provider.close()]);
console.log('runtime works');
