import type { ChatBody } from '../../call/body';
import type { Call } from '../../call/call';
import { fingerprint } from '../../call/fingerprint';
import type { WholeResult } from '../call-result';
import { type SendWhole, SharedRun } from './shared-run';

/** Coalesces identical repeatable calls that run at the same time, so that only one is sent. */
export class Coalescer {
  readonly #send: SendWhole;
  readonly #running = new Map<string, SharedRun>();

  constructor(send: SendWhole) {
    this.#send = send;
  }

  /** Never rejects. */
  async run(call: Call): Promise<WholeResult> {
    const key = coalesceKey(call);
    if (key === undefined) return this.#send(call);
    for (;;) {
      const run = this.#runFor(key, call);
      const end = await run.join(call);
      if (!run.hasEndedTooEarly(call, end)) return end;
    }
  }

  #runFor(key: string, call: Call): SharedRun {
    const running = this.#running.get(key);
    if (running?.isOpen) return running;
    const run = new SharedRun(call, this.#send);
    this.#running.set(key, run);
    void run.end.then(() => {
      if (this.#running.get(key) === run) this.#running.delete(key);
    });
    return run;
  }
}

/** Whether a second answer would be the same: only such calls are coalesced. */
export function isRepeatable({ operation, body }: Call): boolean {
  return operation === 'embeddings' || (body as ChatBody).temperature === 0;
}

/** Calls with the same key have the same body, tenant, context and options. Undefined if the body is not JSON. */
function coalesceKey(call: Call): string | undefined {
  const { requestId: _requestId, session: _session, ...terms } = call.context;
  const { fallbacks, hedge, endpoint, startedAt, deadlineAt } = call;
  return fingerprint(call, [terms, fallbacks, hedge, endpoint, Math.round(deadlineAt - startedAt)]);
}
