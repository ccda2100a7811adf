import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface Child {
  readonly process: ChildProcess;
  readonly port: number;
}

/** Starts a file of this folder that reports the port it listens on. */
export async function start(file: string, ...args: string[]): Promise<Child> {
  const child = fork(join(__dirname, file), args, { execArgv: ['--expose-gc', '--import', 'tsx'] });
  const [message] = (await once(child, 'message')) as [{ port: number }];
  return { process: child, port: message.port };
}
