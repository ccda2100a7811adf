import { spawn } from 'node:child_process';
import { join } from 'node:path';

jest.setTimeout(60_000);

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

/** The numbers of the first line that begins with that name. */
function numbersOf(name: string, out: string): number[] {
  const line = out.split('\n').find((text) => text.trimStart().startsWith(name)) ?? '';
  return [...line.slice(line.indexOf(name) + name.length).matchAll(/\d+(\.\d+)?/g)].map(([n]) => Number(n));
}

describe('the example of many processes', () => {
  it('runs without Redis too, where each worker counts for itself', async () => {
    const { code, out, err } = await run(['--once', '--alone', '--seconds', '10']);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).toMatch(/Each worker counts for itself/);
    const last = out.slice(out.lastIndexOf('worker 1'));
    expect(numbersOf('worker 4', last)).toHaveLength(4);
    const [asked] = numbersOf('asked', out);
    expect(asked).toBeGreaterThan(30);
    const [answered, , failed] = numbersOf('all', last);
    expect(answered! + failed!).toBe(asked);
  });

  it('says what to do where there is no Redis', async () => {
    const { code, out, err } = await run(['--once'], { PATH: '/nonexistent' });
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/apt-get install redis-server/);
    expect(err).toMatch(/REDIS_URL=redis:/);
  });

  it('names a wrong option', async () => {
    const { code, err } = await run(['--seconds', '5']);
    expect(code).toBe(2);
    expect(err).toMatch(/--seconds: expected 10 to 120, got 5/);
  });
});
