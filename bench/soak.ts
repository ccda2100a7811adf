/**
 * Many calls with random faults, callers that leave and reloads, against providers in this process and in virtual
 * time; then what is left behind. `npx tsx --expose-gc bench/soak.ts [--calls 100000] [--seed 1]`
 */
import { parseArgs } from 'node:util';
import { installVirtualTime } from '../lib/cli/simulate/engine/virtual-time';

const { values } = parseArgs({
  options: { calls: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
// What keeps a clock of its own must find the virtual one.
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
