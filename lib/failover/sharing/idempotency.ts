import type { Call } from '../../call/call';
import { fingerprint } from '../../call/fingerprint';
import { badRequest } from '../../errors';
import type { WholeResult } from '../call-result';
import { AnswerStore } from './answer-store';
import { type SendWhole, SharedRun, sharedReport } from './shared-run';

interface RunningKey {
  readonly digest: string;
  readonly run: SharedRun;
}

/**
 * Runs calls with the same key once: while the first runs, the others join it; afterwards its answer is replayed. A
 * failure is not kept. Keys are separate for each tenant.
 */
export class Idempotency {
  readonly #send: SendWhole;
  readonly #running = new Map<string, RunningKey>();
  readonly #answers = new AnswerStore();

  constructor(send: SendWhole) {
    this.#send = send;
  }

  /** Never rejects. */
  async run(key: string, call: Call): Promise<WholeResult> {
    const digest = fingerprint(call);
    if (digest === undefined) return this.#send(call);
    const name = JSON.stringify([call.context.tenant ?? null, key]);
    for (;;) {
      const last = this.#running.get(name);
      const running = last?.run.isOpen ? last : undefined;
      const answer = running ? undefined : this.#answers.get(name);
      const known = running ?? answer;
      if (known && known.digest !== digest) return keyReuseFailure();
      if (answer)
        return { kind: 'answer', data: answer.data, route: sharedReport(call, answer.route, 'replayed') };
      const run = running?.run ?? this.#start(name, digest, call);
      const end = await run.join(call);
      if (!run.hasEndedTooEarly(call, end)) return end;
    }
  }

  #start(name: string, digest: string, call: Call): SharedRun {
    const run = new SharedRun(call, this.#send);
    this.#running.set(name, { digest, run });
    void run.end.then((end) => {
      if (this.#running.get(name)?.run === run) this.#running.delete(name);
      if (end.kind === 'answer') this.#answers.set(name, { digest, data: end.data, route: end.route });
    });
    return run;
  }
}

function keyReuseFailure(): WholeResult {
  const error = badRequest('idempotencyKey', 'the key was already used for a call with another body');
  return { kind: 'failed', error, route: undefined };
}
