import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { balancerConfig } from '../../bench/policy/balancer-config';
import { fleetNamed } from '../../bench/policy/fleets';
import type { SimulationReport } from '../../lib/cli/simulate/report';
import { run } from '../cli/run';

const DIALECT_OF: Readonly<Record<string, string>> = {
  openai: 'openai',
  azure: 'openai',
  anthropic: 'mistral',
  google: 'openrouter',
  deepseek: 'deepseek',
  groq: 'groq',
  mistral: 'mistral',
};

test('simulate and bench:policy give equal figures for the same fleet, calls and faults', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'same-'));
  const config = join(folder, 'fleet.json');
  const { endpoints, ...fleet } = balancerConfig(fleetNamed('standard'), 'adaptive');
  // A configuration file can name only providers with a dialect.
  const known = endpoints.map((endpoint) => ({ ...endpoint, provider: DIALECT_OF[endpoint.provider ?? ''] }));
  writeFileSync(config, JSON.stringify({ ...fleet, endpoints: known }));
  const sale = [
    '--rps',
    '30',
    '--spike',
    '10x',
    '--seconds',
    '40',
    '--seed',
    '7',
    '--outage',
    'azure-4o@10+15',
  ];
  const args = ['--config', config, ...sale, '--brownout', 'gemini-flash@5+30'];
  const [simulated, benched] = await Promise.all([
    run('lib/cli/main.ts', 'simulate', ...args, '--json'),
    run('__tests__/bench/fixtures/bench-of-simulation.ts', ...args),
  ]);
  rmSync(folder, { recursive: true });
  expect([simulated.err, benched.err]).toEqual(['', '']);
  const { figures, digest } = JSON.parse(simulated.out) as SimulationReport;
  expect(figures.calls).toBeGreaterThan(300);
  expect(JSON.parse(benched.out)).toEqual({ figures, digest });
});
