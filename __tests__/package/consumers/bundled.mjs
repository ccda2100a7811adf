import assert from 'node:assert/strict';
import express from 'express';
import { AiBalancerError, aiBalancer } from 'express-ai-balancer';
import { startFleetProcess, startProvider } from 'express-ai-balancer/simulator';

async function main() {
  const provider = await startProvider({ timeScale: 0, errorShare: 0 });
  const ai = aiBalancer({
    endpoints: [{ name: 'main', model: 'gpt-4o', baseURL: provider.url, apiKey: 'k' }],
  });
  const app = express().use(ai);
  app.post('/', (req, res) =>
    req.ai.chat({ messages: [{ role: 'user', content: 'hi' }], stream: true }).pipe(res),
  );
  const server = app.listen(0);
  await new Promise((resolve) => server.once('listening', resolve));
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { method: 'POST' });
  assert.match(await answer.text(), /\[DONE\]/);
  assert.ok(AiBalancerError.isInstance(await ai.balancer.chat({}).catch((error) => error)));
  server.closeAllConnections();
  server.close();
  await Promise.all([ai.balancer.close(), provider.close()]);

  const fleet = await startFleetProcess({ providers: [{ name: 'a', timeScale: 0, errorShare: 0 }] });
  assert.notEqual(fleet.pid, process.pid);
  assert.equal((await fleet.provider('a').stats()).seen, 0);
  await fleet.close();
  console.log('bundle works');
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
