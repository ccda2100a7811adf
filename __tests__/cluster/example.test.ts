import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';

requireExclusiveMachine();

const MAIN = join(__dirname, '../../examples/cluster/main.ts');

/** Runs the example to its end. */
function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
    env: { ...process.env, REDIS_URL: '', ...env },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => (out += String(text)));
  child.stderr.on('data', (text) => (err += String(text)));
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

/** The numbers in the first line that begins with the name. */
function numbersOf(name: string, out: string): number[] {
  const line = out.split('\n').find((text) => text.trimStart().startsWith(name)) ?? '';
  return [...line.slice(line.indexOf(name) + name.length).matchAll(/\d+(\.\d+)?/g)].map(([n]) => Number(n));
}

requires('redis-server').describe('Cluster example:', () => {
  it('no customer waits too long while Redis is killed, and no upstream answers 429', async () => {
    const { code, out, err } = await run(['--once', '--seconds', '10']);
    // Each of the four workers warns, and nothing else goes wrong.
    for (const line of err.trimEnd().split('\n')) expect(line).toContain('Redis is unavailable');
    expect(code).toBe(0);
    expect(out).toMatch(/Redis is down\n.*\n  worker 1 .* local-share\n/);
    const last = out.slice(out.lastIndexOf('worker 1'));
    expect(last).toMatch(/worker 4 .* shared\n/);
    const [answered, , failed, refusals, admitted, allowed] = numbersOf('all', last);
    expect(refusals).toBe(0);
    expect(admitted).toBeLessThanOrEqual(allowed!);
    const [asked, askedMeanwhile] = numbersOf('asked', out);
    expect(askedMeanwhile).toBeGreaterThan(10);
    // None on a machine with CPU to spare.
    const [late, lateMeanwhile] = numbersOf('too late', out);
    expect(late! + lateMeanwhile!).toBeLessThanOrEqual(0.1 * (asked! + askedMeanwhile!));
    expect(answered! + failed!).toBeLessThanOrEqual(asked! + askedMeanwhile!);
    expect(answered! + failed!).toBeGreaterThanOrEqual(asked! + askedMeanwhile! - late! - lateMeanwhile!);
  });
});

describe('Cluster example:', () => {
  it('it explains how to install or configure Redis if there is none', async () => {
    const { code, out, err } = await run(['--once'], { PATH: '/nonexistent' });
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/apt-get install redis-server/);
    expect(err).toMatch(/REDIS_URL=redis:/);
  });

  it('it names a wrong option and what it expects', async () => {
    const { code, err } = await run(['--seconds', '5']);
    expect(code).toBe(2);
    expect(err).toMatch(/--seconds: expected 10 to 120, got 5/);
  });
});
