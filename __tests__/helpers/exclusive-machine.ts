import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One lock file per checkout. */
const LOCK = join(tmpdir(), `express-ai-balancer-${process.cwd().replace(/\W+/g, '-')}.lock`);
const MAX_WAIT_MS = 900_000;

/**
 * Call it in a test file that starts processes or measures time. Only one such file runs at a time, beside the ordinary
 * files in jest's other workers.
 */
export function requireExclusiveMachine(): void {
  beforeAll(async () => {
    while (!tryLock()) await new Promise((resolve) => setTimeout(resolve, 100));
  }, MAX_WAIT_MS);
  afterAll(() => rmSync(LOCK, { force: true }));
}

function tryLock(): boolean {
  try {
    writeFileSync(LOCK, `${process.pid}`, { flag: 'wx' });
    return true;
  } catch {
    // The lock of a process that has died is stale.
    if (!isAlive(lockHolder())) rmSync(LOCK, { force: true });
    return false;
  }
}

function lockHolder(): number {
  try {
    return Number(readFileSync(LOCK, 'utf8'));
  } catch {
    return process.pid;
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}
