import assert from 'node:assert/strict';
import { startFleetProcess } from 'express-ai-balancer/simulator';

const fleet = await startFleetProcess({ providers: [{ name: 'a', timeScale: 0, errorShare: 0 }] });
assert.notEqual(fleet.pid, process.pid);
assert.equal((await fleet.provider('a').stats()).seen, 0);
await fleet.close();
console.log('fleet works');
