import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import OpenAI from 'openai';
import { until } from '../helpers/async';

/** A running gateway of the serve command. */
export interface RunningGateway {
  readonly url: string;
  /** A client with the token 'sk-shop', without retries. */
  readonly client: OpenAI;
  /** Process ids of the workers. */
  workers(): number[];
  /** Sends SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** What it has written to stderr. */
  err(): string;
}

export interface ServeCommand {
  /** Default: the Node.js that runs the tests. */
  readonly program?: string | undefined;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts the serve command as a child process; kills what is left of it after each test. */
export class Gateways {
  readonly #children: ChildProcess[] = [];

  constructor() {
    afterEach(() => {
      for (const child of this.#children.splice(0)) child.kill('SIGKILL');
    });
  }

  async start({ program = process.execPath, args, cwd, env }: ServeCommand): Promise<RunningGateway> {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env } });
    this.#children.push(child);
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    const exited = new Promise<number | null>((done) => child.once('exit', done));
    void exited.then((code) => (err += ` exit ${code}`));
    await until(() => out.includes('listening on') || err.includes(' exit '), 60_000);
    const url = /listening on (\S+)/.exec(out)?.[1]?.replace('0.0.0.0', '127.0.0.1');
    if (url === undefined) throw new Error(err);
    return {
      url,
      client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-shop', maxRetries: 0 }),
      workers: () => workersOf(child.pid ?? 0, args),
      stop: () => {
        child.kill('SIGTERM');
        return exited;
      },
      err: () => err,
    };
  }
}

/** Other children, such as the compiler that tsx starts, don't have the command's arguments. */
function workersOf(pid: number, args: readonly string[]): number[] {
  const listed = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' });
  return listed
    .split('\n')
    .filter((line) => line.includes(` serve `) && line.includes(args.at(-1) ?? ''))
    .map((line) => Number.parseInt(line, 10));
}
