import { type ChildProcess, type ForkOptions, fork, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Reads process ids from its input and kills the remaining ones when the input ends, that is when the process at the other
 * end has exited. An exit handler would not run after a kill -9, nor under jest.
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
  // In its own process group, so that Ctrl-C does not stop the cleanup.
  const child = spawn('sh', ['-c', GUARD_SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.unref();
  const input = child.stdin as Writable & { unref?(): void };
  input.unref?.();
  input.on('error', () => undefined);
  guardInput = input;
  return input;
}

/** Makes a process end with this one at the latest. Only for processes that children of this one have started. */
export function guardProcess(pid: number): void {
  startGuard().write(`hold ${pid}\n`);
}

/** Call it when a guarded process has exited: its id may be reused. */
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

/** Runs a TypeScript module in a separate node process with an IPC channel. */
export function forkGuarded(file: string, options: ForkOptions = {}): ChildProcess {
  return guarded(fork(file, [], { execArgv: ['--import', 'tsx'], ...options }));
}

export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Sends SIGKILL, which also ends a stopped process. Resolves when it has exited. */
export async function killAndWait(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
