import { fork } from 'node:child_process';

/** The first argument of a child process that serves one job. */
const JOB_ARGUMENT = '--serve-one-job';

type Reply<R> = { readonly result: R } | { readonly error: string; readonly usage: boolean };

/** A fault of what the user gave, to be shown without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Runs a job in a process of its own, since a process can be put on virtual time only once. The child is the program
 * itself, started again. Rejects with what the job threw.
 */
export function runJob<R>(job: unknown, signal?: AbortSignal): Promise<R> {
  const program = process.argv[1];
  if (program === undefined) throw new Error('no program to start again');
  return new Promise((resolve, reject) => {
    const child = fork(program, [JOB_ARGUMENT], {
      // JSON has no NaN and no Infinity.
      serialization: 'advanced',
      ...(signal ? { signal } : {}),
    });
    let replied = false;
    child.once('message', (reply: Reply<R>) => {
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

/** True in a process that `runJob` started; then `serve` gets the job, and the process ends with it. */
export function serveJobIfChild(serve: (job: unknown) => Promise<unknown>): boolean {
  if (process.argv[2] !== JOB_ARGUMENT || !process.send) return false;
  process.once('message', ({ job }: { job: unknown }) => {
    serve(job).then(
      (result) => reply({ result }),
      (error: unknown) => {
        const usage = error instanceof UsageError;
        const told =
          error instanceof Error ? (usage ? error.message : (error.stack ?? error.message)) : String(error);
        reply({ error: told, usage });
      },
    );
  });
  return true;
}

function reply(message: Reply<unknown>): void {
  // Timers of a parted virtual time may be left over; nothing of them is waited for.
  process.send?.(message, () => process.exit(0));
}
