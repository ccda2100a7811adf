import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody } from '../call/body';
import type { Call } from '../call/call';
import { isObject } from '../util/is-object';
import type { AfterResult, BeforeResult, ResolvedHooks } from './options';
import { hookCall, type OnHookFailure, runHook } from './run-hook';
import { TextGuard } from './text-guard';

/** How many times `after` hooks may have one call sent again. */
const MAX_RETRIES = 3;

type WholeAnswer = ChatCompletion | EmbeddingResponse;

/** The result of the `before` hooks. */
export interface AllowedCall {
  readonly call: Call;
  /** An answer that a hook has returned, so that nothing is sent; undefined if the call goes on. */
  readonly answer: WholeAnswer | undefined;
}

/** The result of the `after` hooks. */
export type CheckedAnswer =
  | { readonly kind: 'accepted'; readonly answer: WholeAnswer }
  /** The call must be sent again: with this body, or with the same body to another endpoint. */
  | { readonly kind: 'rejected'; readonly by: string; readonly body: ChatBody | EmbeddingBody | undefined };

/** Runs the app's hooks on calls, answers and streams, in the order of the configuration. */
export class Guardrails {
  readonly #before: readonly ResolvedHooks[];
  readonly #after: readonly ResolvedHooks[];
  readonly #text: readonly ResolvedHooks[];
  readonly #onFailure: OnHookFailure;

  constructor(hooks: readonly ResolvedHooks[], onFailure: OnHookFailure) {
    this.#before = hooks.filter(({ before }) => before !== undefined);
    this.#after = hooks.filter(({ after }) => after !== undefined);
    this.#text = hooks.filter(({ text }) => text !== undefined);
    this.#onFailure = onFailure;
  }

  get checksCalls(): boolean {
    return this.#before.length > 0;
  }

  get checksAnswers(): boolean {
    return this.#after.length > 0;
  }

  /** Whether a call may be sent again after this number of rejected answers. */
  mayAskAgain(rejected: number): boolean {
    return rejected <= MAX_RETRIES;
  }

  /**
   * Runs the `before` hooks. Stops at the first that returns an answer.
   *
   * @param prepare Prepares the call with another body. If it throws, the hook counts as failed.
   * @throws The refusal of a hook; what a hook with `onFailure: 'closed'` has thrown.
   */
  async allow(call: Call, prepare: (body: ChatBody | EmbeddingBody) => Call): Promise<AllowedCall> {
    let current = call;
    for (const hooks of this.#before) {
      let next: Call | undefined;
      const run = async (): Promise<BeforeResult | undefined> => {
        const result = (await hooks.before?.(hookCall(current))) ?? undefined;
        if (isObject(result) && 'body' in result) next = withBody(current, result.body, prepare);
        return result;
      };
      const kinds = ['body', 'answer', 'refuse'];
      const result = await runHook<BeforeResult>(hooks, 'before', run, kinds, this.#onFailure);
      if (result && 'answer' in result) return { call: current, answer: result.answer };
      if (result && next) current = next;
    }
    return { call: current, answer: undefined };
  }

  /** Runs the `after` hooks on a whole answer. Stops at the first that rejects it. @throws As {@link allow} does. */
  async check(
    call: Call,
    answer: WholeAnswer,
    { endpoint, rejected }: { readonly endpoint: string; readonly rejected: number },
  ): Promise<CheckedAnswer> {
    let current = answer;
    for (const hooks of this.#after) {
      const run = () => hooks.after?.(hookCall(call, rejected, endpoint), current);
      const kinds = ['answer', 'refuse', 'retry'];
      const result = await runHook<AfterResult>(hooks, 'after', run, kinds, this.#onFailure);
      if (result && 'retry' in result) {
        const { body } = result.retry;
        return { kind: 'rejected', by: hooks.name, body };
      }
      if (result && 'answer' in result) current = result.answer;
    }
    return { kind: 'accepted', answer: current };
  }

  /** Returns the guard that runs the `text` hooks on a stream; undefined if there are no such hooks. */
  guardText(call: Call): TextGuard | undefined {
    return this.#text.length > 0 ? new TextGuard(this.#text, call, this.#onFailure) : undefined;
  }
}

function withBody(
  { operation, stream }: Call,
  body: ChatBody | EmbeddingBody,
  prepare: (body: ChatBody | EmbeddingBody) => Call,
): Call {
  const isStream = operation === 'chat' && isObject(body) && body.stream === true;
  if (isStream !== stream) throw new TypeError('a hook must not change `stream` of the body');
  return prepare(body);
}
