const assert = require('node:assert/strict');
const { startFleetProcess } = require('express-ai-balancer/simulator');

startFleetProcess({ providers: [{ name: 'a', timeScale: 0, errorShare: 0 }] }).then(async (fleet) => {
  assert.notEqual(fleet.pid, process.pid);
  assert.equal((await fleet.provider('a').stats()).seen, 0);
  await fleet.close();
  console.log('fleet works');
});
