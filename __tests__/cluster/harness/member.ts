import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Answers, Command, Load, MemberConfig, MemberEvent, Outcome, Report } from './messages';
import { forkGuarded, hasEnded } from './process-guard';

export interface MemberOptions {
  readonly config: MemberConfig;
  /** Milliseconds by which its wall clock is ahead of the machine's. Default 0. */
  readonly clockShiftMs?: number;
  /** Whether to wait for `balancer.ready()`. Default true. */
  readonly ready?: boolean;
}

/** The connection to a process that runs member-main.ts. */
export interface ProcessChannel {
  readonly pid: number;
  send(message: unknown): void;
  onReport(listener: (report: Report) => void): void;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
}

interface PendingRequest {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/**
 * A process with a balancer that runs the package's sources. It ends with this process at the latest.
 *
 * @example
 * const member = await Member.start({ config: { endpoints, cluster: { redis: redis.url } } });
 * const outcomes = await member.load({ perSecond: 20, forMs: 5_000 });
 */
export class Member {
  /** Outcomes in the order in which the calls ended; updated every 50 ms. */
  readonly outcomes: Outcome[] = [];
  /** The balancer's events 'breaker', 'cooldown', 'store' and 'cluster'. */
  readonly events: MemberEvent[] = [];
  readonly #line: ProcessChannel;
  readonly #waiting = new Map<number, PendingRequest>();
  #begun = 0;
  #requestCount = 0;
  #hasExited = false;

  /** With a connection to a running process. Otherwise use `start`. */
  constructor(channel: ProcessChannel) {
    this.#line = channel;
    channel.onReport((report) => this.#receive(report));
    void channel.ended.then(() => {
      this.#hasExited = true;
      for (const { reject } of this.#waiting.values()) reject(exitedError());
      this.#waiting.clear();
    });
  }

  /** Resolves when the balancer is ready. Rejects if the configuration is invalid. */
  static async start({ config, clockShiftMs = 0, ready = true }: MemberOptions): Promise<Member> {
    const child = forkGuarded(join(__dirname, 'member-main.ts'), {
      env: { ...process.env, CLOCK_SHIFT_MS: `${clockShiftMs}` },
    });
    const member = new Member(channelTo(child));
    await member.startBalancer(config, ready);
    return member;
  }

  /** Creates the process's balancer. */
  async startBalancer(config: MemberConfig, ready = true): Promise<void> {
    const started = this.#request({ do: 'start', config });
    try {
      if (ready) await started;
      else started.catch(() => undefined);
    } catch (error) {
      await this.kill9();
      throw error;
    }
  }

  get pid(): number {
    return this.#line.pid;
  }

  /** Calls that had not ended at the last report. 0 after a load has ended. */
  get unfinished(): number {
    return this.#begun - this.outcomes.length;
  }

  /** Runs a load. Resolves to the outcomes of all of its calls when the last one has ended. */
  async load(load: Load): Promise<Outcome[]> {
    const id = this.#requestCount + 1;
    const count = await this.#request({ do: 'load', load });
    const own = this.outcomes.filter((outcome) => outcome.load === id);
    if (own.length !== count) throw new Error(`${count} calls began, ${own.length} ended`);
    return own;
  }

  stats(): Promise<Answers['stats']> {
    return this.#request({ do: 'stats' });
  }

  cpu(): Promise<Answers['cpu']> {
    return this.#request({ do: 'cpu' });
  }

  reload(config: MemberConfig): Promise<undefined> {
    return this.#request({ do: 'reload', config });
  }

  /** Kills it: its balancer closes nothing and returns no quota. */
  async kill9(): Promise<void> {
    if (!this.#hasExited) signal(this.pid, 'SIGKILL');
    await this.#line.ended;
  }

  /** SIGSTOP. */
  stop(): void {
    signal(this.pid, 'SIGSTOP');
  }

  /** SIGCONT. */
  cont(): void {
    signal(this.pid, 'SIGCONT');
  }

  /** Closes the balancer, which returns its quota, and ends the process. */
  async close(): Promise<void> {
    if (this.#hasExited) return;
    // A stopped process would not answer.
    signal(this.pid, 'SIGCONT');
    await Promise.race([this.#request({ do: 'close' }).catch(() => undefined), delay(15_000)]);
    await this.kill9();
  }

  #request<C extends Command>(command: C): Promise<Answers[C['do']]> {
    if (this.#hasExited) return Promise.reject(exitedError());
    const id = ++this.#requestCount;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as Answers[C['do']]), reject });
      this.#line.send({ ...command, id });
    });
  }

  #receive(report: Report): void {
    if ('outcomes' in report) {
      this.#begun = report.startedCalls;
      this.outcomes.push(...report.outcomes);
    } else if ('seen' in report) {
      this.events.push(report.seen);
    } else if ('id' in report) {
      const pending = this.#waiting.get(report.id);
      this.#waiting.delete(report.id);
      if ('error' in report) pending?.reject(new Error(report.error));
      else pending?.resolve(report.result);
    }
  }
}

function channelTo(child: ChildProcess): ProcessChannel {
  const { pid } = child;
  if (pid === undefined) throw new Error('node did not start');
  return {
    pid,
    send: (message) => void child.send(message as object, () => undefined),
    onReport: (listener) => void child.on('message', (report) => listener(report as Report)),
    ended: hasEnded(child) ? Promise.resolve() : once(child, 'exit').then(() => undefined),
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has exited already.
  }
}

function exitedError(): Error {
  return new Error('the process of the member has exited');
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
