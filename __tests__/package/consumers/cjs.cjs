const assert = require('node:assert/strict');
const express = require('express');
const { aiBalancer, Balancer, AiBalancerError, holysheep } = require('express-ai-balancer');
const { startProvider } = require('express-ai-balancer/simulator');

async function main() {
  const provider = await startProvider({ timeScale: 0, errorShare: 0 });
  const endpoints = holysheep({ apiKey: 'k', models: ['gpt-4o'], baseURL: provider.url });
  const ai = aiBalancer({ endpoints });
  assert.equal(typeof express().use(ai), 'function');
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };
  assert.equal((await ai.balancer.chat(body)).object, 'chat.completion');
  assert.ok(Balancer.isInstance(ai.balancer));
  assert.ok(AiBalancerError.isInstance(await ai.balancer.chat({}).catch((error) => error)));
  assert.equal(require('express-ai-balancer/package.json').name, 'express-ai-balancer');
  await ai.balancer.close();
  await provider.close();
  console.log('cjs works');
}

main();
