import { fork } from 'node:child_process';
import { UsageError } from '../usage-error';

/** First command-line argument of a child process that runs one job. */
const JOB_ARGUMENT = '--serve-one-job';

type Reply<R> =
  | { readonly progress: number }
  | { readonly result: R }
  | { readonly error: string; readonly usage: boolean };

/**
 * Runs a job in a child process, because virtual time can be installed only once per process. The child runs the same
 * program. Rejects with the job's error.
 */
export function runJob<R>(
  job: unknown,
  signal?: AbortSignal,
  onProgress: (share: number) => void = () => undefined,
): Promise<R> {
  const program = process.argv[1];
  if (program === undefined)
    throw new Error('cannot start a child process: the path of the program is unknown');
  return new Promise((resolve, reject) => {
    const child = fork(program, [JOB_ARGUMENT], {
      // Not 'json', which cannot represent NaN and Infinity.
      serialization: 'advanced',
      ...(signal ? { signal } : {}),
    });
    let replied = false;
    child.on('message', (reply: Reply<R>) => {
      if ('progress' in reply) {
        onProgress(reply.progress);
        return;
      }
      replied = true;
      if ('result' in reply) resolve(reply.result);
      else reject(reply.usage ? new UsageError(reply.error) : new Error(reply.error));
      child.disconnect();
    });
    child.once('error', reject);
    child.once('exit', (code, ended) => {
      if (!replied)
        reject(new Error(`the child process ended without a result (${ended ?? `exit code ${code}`})`));
    });
    child.send({ job });
  });
}

/** Reports the completed share of the job, 0 to 1, from the child process. */
export function reportProgress(share: number): void {
  process.send?.({ progress: share } satisfies Reply<never>);
}

/** Returns whether `runJob` started this process. If so, calls `serve` with the job and exits when it has settled. */
export function serveJobIfChild(serve: (job: unknown) => Promise<unknown>): boolean {
  if (process.argv[2] !== JOB_ARGUMENT || !process.send) return false;
  process.once('message', ({ job }: { job: unknown }) => {
    serve(job).then(
      (result) => reply({ result }),
      (error: unknown) => {
        const usage = error instanceof UsageError;
        const text =
          error instanceof Error ? (usage ? error.message : (error.stack ?? error.message)) : String(error);
        reply({ error: text, usage });
      },
    );
  });
  return true;
}

function reply(message: Reply<unknown>): void {
  // Exits explicitly, because timers left over in virtual time never fire and would keep the process alive.
  process.send?.(message, () => process.exit(0));
}
