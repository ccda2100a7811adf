import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import express from 'express';
import { AiBalancerError, aiBalancer, Balancer, createBalancer, failoverExecutor } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';

const cjs = createRequire(import.meta.url)('express-ai-balancer');
assert.notEqual(cjs.Balancer, Balancer);

const provider = await startProvider({ timeScale: 0, errorShare: 0 });
const config = { endpoints: [{ name: 'main', model: 'gpt-4o', baseURL: provider.url, apiKey: 'k' }] };
const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };

// Copies mix: a balancer of one, middlewares of the other.
const ours = createBalancer(config);
const theirs = cjs.createBalancer(config);
assert.ok(Balancer.isInstance(theirs) && cjs.Balancer.isInstance(ours));
assert.ok(!Balancer.isInstance({}) && !Balancer.isInstance(null));
const error = await theirs.chat({}).catch((caught) => caught);
assert.ok(AiBalancerError.isInstance(error) && !(error instanceof AiBalancerError));

const app = express();
app.use(aiBalancer(theirs));
app.post('/mixed', failoverExecutor(theirs), cjs.smartRouter(theirs, { priority: 5 }), async (req, res) => {
  const answer = await req.ai.chat(body);
  res.json({ object: answer.object, priority: req.ai.context.priority });
});
app.post('/stream', (req, res) => req.ai.chat({ ...body, stream: true }).pipe(res));
const server = app.listen(0);
await new Promise((resolve) => server.once('listening', resolve));
const url = `http://127.0.0.1:${server.address().port}`;
const mixed = await (await fetch(`${url}/mixed`, { method: 'POST' })).json();
assert.deepEqual(mixed, { object: 'chat.completion', priority: 5 });
assert.match(await (await fetch(`${url}/stream`, { method: 'POST' })).text(), /\[DONE\]/);

server.closeAllConnections();
server.close();
await Promise.all([ours.close(), theirs.close(), provider.close()]);
console.log('esm works');
