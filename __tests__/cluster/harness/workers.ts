import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { Member, type ProcessChannel } from './member';
import type { MemberConfig, Report } from './messages';
import { forkGuarded, guardProcess, killAndWait, unguardProcess } from './process-guard';

export interface ToPrimary {
  readonly worker: number;
  readonly message: unknown;
}

export type FromPrimary = { readonly worker: number } & (
  | { readonly pid: number }
  | { readonly report: Report }
  | { readonly ended: true }
);

/** Members that Node's `cluster` module has forked, and their primary. */
export class Workers {
  readonly members: readonly Member[];
  readonly #primary: ChildProcess;

  private constructor(primary: ChildProcess, members: readonly Member[]) {
    this.#primary = primary;
    this.members = members;
  }

  /** Resolves when every balancer is ready. */
  static async start(count: number, config: MemberConfig): Promise<Workers> {
    const primary = forkGuarded(join(__dirname, 'workers-main.ts'), {
      env: { ...process.env, WORKERS: `${count}` },
    });
    const lines = await Promise.all(Array.from({ length: count }, (_, worker) => channelTo(primary, worker)));
    const workers = new Workers(
      primary,
      lines.map((line) => new Member(line)),
    );
    try {
      await Promise.all(workers.members.map((member) => member.startBalancer(config)));
      return workers;
    } catch (error) {
      await workers.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.close()));
    await killAndWait(this.#primary);
  }
}

function channelTo(primary: ChildProcess, worker: number): Promise<ProcessChannel> {
  const listeners: ((report: Report) => void)[] = [];
  return new Promise((resolve, reject) => {
    let pid = 0;
    const ended = new Promise<void>((end) => {
      primary.once('exit', () => {
        reject(new Error('the primary has exited'));
        end();
      });
      primary.on('message', (message: FromPrimary) => {
        if (message.worker !== worker) return;
        if ('report' in message) {
          for (const listener of listeners) listener(message.report);
        } else if ('ended' in message) {
          unguardProcess(pid);
          end();
        } else {
          ({ pid } = message);
          guardProcess(pid);
          resolve({ pid, send, onReport, ended });
        }
      });
    });
    const send = (message: unknown) => void primary.send({ worker, message }, () => undefined);
    const onReport = (listener: (report: Report) => void) => void listeners.push(listener);
  });
}
