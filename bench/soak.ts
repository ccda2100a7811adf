/**
 * Many calls with random faults, aborting callers and reloads against in-process providers in virtual time; then checks
 * that nothing leaked. `npx tsx --expose-gc bench/soak.ts [--calls 100000] [--seed 1]`
 */
import { parseArgs } from 'node:util';
import { installVirtualTime } from '../lib/cli/simulate/engine/virtual-time';

const { values } = parseArgs({
  options: { calls: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
// Virtual time must be installed before any module that captures a clock is loaded.
const time = installVirtualTime();
import('./soak/run')
  .then(({ soak }) => soak(time, { calls: Number(values.calls), seed: Number(values.seed) }))
  .then((sound) => {
    if (!sound) process.exitCode = 1;
  })
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
