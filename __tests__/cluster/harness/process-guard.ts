import { type ChildProcess, type ForkOptions, fork, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Keeps the ids that come in on its input, and kills those that are left when the input ends: when the process at the
 * other end is gone, however it went. A handler of ours would not run after a kill -9, nor under jest.
 */
const GUARD_SCRIPT = `
trap '' INT TERM HUP
left=''
while read -r what pid; do
  if [ "$what" = hold ]; then left="$left $pid"; continue; fi
  kept=''
  for one in $left; do [ "$one" = "$pid" ] || kept="$kept $one"; done
  left="$kept"
done
[ -z "$left" ] || kill -9 $left 2>/dev/null
exit 0
`;

let guardInput: Writable | undefined;

function startGuard(): Writable {
  if (guardInput) return guardInput;
  // In a group of its own: Ctrl-C at a terminal is for the tests, not for what tidies up after them.
  const child = spawn('sh', ['-c', GUARD_SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.unref();
  const input = child.stdin as Writable & { unref?(): void };
  input.unref?.();
  input.on('error', () => undefined);
  guardInput = input;
  return input;
}

/** Holds a process: it dies with this one at the latest. Only for processes that this one's children started. */
export function guardProcess(pid: number): void {
  startGuard().write(`hold ${pid}\n`);
}

/** To be said when a held process has ended: its id may be another's soon. */
export function unguardProcess(pid: number): void {
  startGuard().write(`release ${pid}\n`);
}

function guarded(child: ChildProcess): ChildProcess {
  const { pid } = child;
  if (pid === undefined) return child;
  guardProcess(pid);
  child.once('exit', () => unguardProcess(pid));
  return child;
}

export function spawnGuarded(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return guarded(spawn(program, args, options));
}

/** Starts a TypeScript module in a node process of its own, with an IPC channel. */
export function forkGuarded(file: string, options: ForkOptions = {}): ChildProcess {
  return guarded(fork(file, [], { execArgv: ['--import', 'tsx'], ...options }));
}

export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** kill -9, which ends a stopped process too; resolves when it has ended. */
export async function killAndWait(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
