import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { compile } from '../compile';

export interface Child {
  readonly process: ChildProcess;
  readonly port: number;
}

/** Starts a file of this folder that reports the port it listens on. It uses the built package. */
export async function start(file: string, ...args: string[]): Promise<Child> {
  const compiled = await compile(join(__dirname, file), { builtPackage: true });
  const child = fork(compiled, args, { execArgv: ['--expose-gc'] });
  const [message] = (await once(child, 'message')) as [{ port: number }];
  return { process: child, port: message.port };
}
