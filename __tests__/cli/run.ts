import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

const ROOT = resolve(__dirname, '../..');

export interface ProgramResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program of this project as a child process. */
export function run(program: string, ...args: readonly string[]): Promise<ProgramResult> {
  return runWith({}, program, ...args);
}

/** The same, with further variables of the environment. */
export function runWith(
  env: Readonly<Record<string, string>>,
  program: string,
  ...args: readonly string[]
): Promise<ProgramResult> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
      cwd: ROOT,
      env: { ...process.env, ...env },
    });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.once('error', reject);
    child.once('close', (code) => done({ code, out, err }));
  });
}
