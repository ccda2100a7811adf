import type { ChatBody } from '../../call/body';
import type { Call } from '../../call/call';
import type { CallSignal } from '../../call/call-signal';
import { AiBalancerError } from '../../errors';
import type { UpstreamFailure } from '../../http/upstream-failure';
import type { StreamOptions } from '../../stream/chat-stream';
import type { UsageMeter } from '../../stream/usage-meter';
import { omitUndefined } from '../../util/defaults';
import type { StreamResult } from '../call-result';
import type { CallState, EndpointFault } from '../call-state';
import type { Executor } from '../executor';

/**
 * The shortest text that is continued rather than started over, in characters. A shorter one is cheap to generate
 * again, and too short to tell an echo of it from a continuation.
 */
const MIN_CONTINUED_TEXT = 24;
/** Estimate: characters per token. */
const CHARACTERS_PER_TOKEN = 4;
/**
 * Failure classes with which an endpoint refuses a request to continue an answer. The original call may still be sent
 * to that endpoint to start the answer over.
 */
const REFUSALS = new Set(['bad_request', 'context_window', 'content_policy']);

/** A stream that broke off after its first content. */
export interface BrokenStream {
  readonly result: Pick<StreamResult, 'slot' | 'state'>;
  readonly failure: UpstreamFailure;
  /** What the reader has received of the answer. */
  readonly shown: UsageMeter;
  /** Output tokens of the answer so far. */
  readonly outputTokens: number;
  /** Aborts when the reader or the caller leaves. */
  readonly signal: CallSignal;
}

/**
 * Finds another endpoint for a stream that broke off, within the attempts, the retry budget and the deadline of its
 * call. The endpoint that broke it off is not tried again.
 */
export class StreamRecovery {
  readonly #executor: Executor;
  readonly #call: Call;
  readonly #mayContinue: boolean;
  /** Whether the answer may start over: the option allows it and the reader can be notified. */
  readonly mayRestart: boolean;

  constructor(executor: Executor, call: Call, recovery: StreamOptions['recovery'], canNotifyReader: boolean) {
    this.#executor = executor;
    this.#call = call;
    this.#mayContinue = recovery === 'continue';
    this.mayRestart = recovery !== 'error' && canNotifyReader;
  }

  get isOff(): boolean {
    return !this.#mayContinue && !this.mayRestart;
  }

  /**
   * Resolves to the stream that replaces the broken one, once its first content has arrived. Rejects if there is none.
   */
  async recover(broken: BrokenStream): Promise<StreamResult> {
    const { state } = broken.result;
    this.#executor.recordBrokenStream(state, faultOf(broken));
    // A call without a deadline gets a new start time, so that the search may take as long as a new call's. `responses`
    // is removed because an endpoint that continues a text is sent the chat request.
    const call = {
      ...this.#call,
      startedAt: performance.now(),
      signal: broken.signal,
      responses: undefined,
    };
    const continued = await this.#continueElsewhere(broken, call);
    if (continued) return continued;
    if (!this.mayRestart) throw broken.failure;
    const restarted: CallState = { ...state, call, plan: undefined, accepts: undefined };
    return this.#executor.resumeStream(restarted, faultOf(broken), () => ({ call, continued: false }));
  }

  /** Lets another endpoint continue the answer. Undefined if none can and the answer should start over. */
  async #continueElsewhere(broken: BrokenStream, call: Call): Promise<StreamResult | undefined> {
    const { shown, result, outputTokens } = broken;
    if (!this.#mayContinue || !shown.isTextOnly) return undefined;
    const { text } = shown;
    if (text.length < (this.mayRestart ? MIN_CONTINUED_TEXT : 1)) return undefined;
    const body = call.body as ChatBody;
    const promptTokens = call.promptTokens + Math.ceil(text.length / CHARACTERS_PER_TOKEN);
    const longer = { ...call, promptTokens };
    const state: CallState = {
      ...result.state,
      call: longer,
      plan: undefined,
      failedAt: new Map(result.state.failedAt),
      accepts: (endpoint) => endpoint.continuation(body, text) !== undefined,
    };
    if (this.mayRestart && !this.#executor.canStartNow(state)) return undefined;
    try {
      return await this.#executor.resumeStream(state, faultOf(broken), (endpoint) => {
        const continuation = endpoint.continuation(body, text) ?? body;
        return { call: { ...longer, body: shortened(continuation, outputTokens) }, continued: true };
      });
    } catch (error) {
      if (!this.mayRestart || hasEnded(error)) throw error;
      for (const [name, failure] of state.failedAt) {
        if (!REFUSALS.has(failure.detail.class)) result.state.failedAt.set(name, failure);
      }
      return undefined;
    }
  }
}

function faultOf({ result, failure }: BrokenStream): EndpointFault {
  return { endpoint: result.slot.endpoint, detail: failure.detail };
}

/** Lowers the caller's output limits by the tokens generated so far. */
function shortened(body: ChatBody, outputTokens: number): ChatBody {
  const left = (limit: unknown): number | undefined =>
    typeof limit === 'number' ? Math.max(1, limit - outputTokens) : undefined;
  const { max_tokens, max_completion_tokens } = body;
  return {
    ...body,
    ...omitUndefined({
      max_tokens: left(max_tokens),
      max_completion_tokens: left(max_completion_tokens),
    }),
  };
}

/** Whether the call itself is over. */
function hasEnded(error: unknown): boolean {
  return (
    !AiBalancerError.isInstance(error) || error.code === 'ERR_AI_ABORTED' || error.code === 'ERR_AI_DEADLINE'
  );
}
