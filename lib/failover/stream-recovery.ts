import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import type { CallSignal } from '../call/call-signal';
import { AiBalancerError } from '../errors';
import { UpstreamFailure } from '../http/exchange';
import type { StreamOptions } from '../stream/options';
import type { UsageMeter } from '../stream/usage-meter';
import type { CallState } from './call-state';
import type { Executor, RequestFor, StreamResult } from './executor';

/** Of a shorter text nothing is lost that is worth the risk of a bad joint: it is begun anew. */
const LEAST_TEXT = 24;
/** A token is about so many characters. */
const CHARACTERS_A_TOKEN = 4;

/** A stream that broke off after its first content. */
export interface BrokenStream {
  readonly result: StreamResult;
  readonly failure: UpstreamFailure;
  /** What the reader has of the answer. */
  readonly shown: UsageMeter;
  /** Tokens of the answer so far. */
  readonly produced: number;
  /** Aborts when the reader leaves, or the caller. */
  readonly signal: CallSignal;
}

/**
 * Asks other endpoints for what is left of a stream that broke off, within the attempts, the retry budget and the
 * deadline of its call. One that has broken it is not asked again.
 */
export class StreamRecovery {
  readonly #executor: Executor;
  readonly #call: Call;
  readonly #mayContinue: boolean;
  /** Whether the reader can be told that the answer begins anew. */
  readonly mayRestart: boolean;

  constructor(executor: Executor, call: Call, recovery: StreamOptions['recovery'], canBeTold: boolean) {
    this.#executor = executor;
    this.#call = call;
    this.#mayContinue = recovery === 'continue';
    this.mayRestart = recovery !== 'error' && canBeTold;
  }

  get isOff(): boolean {
    return !this.#mayContinue && !this.mayRestart;
  }

  /**
   * Resolves at the first content of the stream that takes its place. Rejects where there is none.
   */
  async recover(broken: BrokenStream): Promise<StreamResult> {
    const { state, slot } = broken.result;
    const { detail } = broken.failure;
    const { name, settings } = slot.endpoint;
    state.failedAt.set(name, { provider: settings.provider, detail });
    state.brokenStreams.add(name);
    // A stream without a deadline waits for a place as long as it did at its beginning.
    const call = { ...this.#call, startedAt: performance.now(), signal: broken.signal };
    if (this.#canContinueFrom(broken)) {
      try {
        return await this.#continueText(broken, call);
      } catch (error) {
        if (!this.mayRestart || !isRefusal(error)) throw error;
      }
    } else if (!this.mayRestart) throw broken.failure;
    return this.#retry(broken, fresh(state, call), () => ({ call, continued: false }));
  }

  #canContinueFrom({ shown }: BrokenStream): boolean {
    return this.#mayContinue && shown.isTextOnly && shown.text.length >= (this.mayRestart ? LEAST_TEXT : 1);
  }

  #continueText(broken: BrokenStream, call: Call): Promise<StreamResult> {
    const { text } = broken.shown;
    const asked = call.body as ChatBody;
    const longer = { ...call, promptTokens: call.promptTokens + Math.ceil(text.length / CHARACTERS_A_TOKEN) };
    // What the endpoints refuse to go on from, they may still answer anew.
    const state = {
      ...fresh(broken.result.state, longer),
      failedAt: new Map(broken.result.state.failedAt),
    };
    return this.#retry(broken, state, (endpoint) => {
      const body = endpoint.continuation(asked, text);
      if (body) return { call: { ...longer, body: shortened(body, broken.produced) }, continued: true };
      if (this.mayRestart) return { call, continued: false };
      throw new UpstreamFailure({ class: 'bad_request', message: 'it cannot go on from a text' }, false);
    });
  }

  #retry({ result, failure }: BrokenStream, state: CallState, ask: RequestFor): Promise<StreamResult> {
    const { endpoint } = result.slot;
    return this.#executor.streamAgain(state, { endpoint, detail: failure.detail }, ask);
  }
}

function fresh(state: CallState, call: Call): CallState {
  return { ...state, call, plan: undefined };
}

/** The answer so far counts against the most that the caller wants. */
function shortened(body: ChatBody, produced: number): ChatBody {
  const left = (most: number): number => Math.max(1, most - produced);
  const { max_tokens, max_completion_tokens } = body;
  return {
    ...body,
    ...(typeof max_tokens === 'number' ? { max_tokens: left(max_tokens) } : {}),
    ...(typeof max_completion_tokens === 'number'
      ? { max_completion_tokens: left(max_completion_tokens) }
      : {}),
  };
}

/** The request to go on was not to an endpoint's taste; the call itself may be. */
function isRefusal(error: unknown): boolean {
  if (!AiBalancerError.isInstance(error)) return false;
  return ['ERR_AI_BAD_REQUEST', 'ERR_AI_CONTEXT_WINDOW', 'ERR_AI_CONTENT_POLICY'].includes(error.code);
}
