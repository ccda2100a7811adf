import { lookUp } from '../cache/cache-lookup';
import { createMemoryStore } from '../cache/memory-store';
import type { CacheStore } from '../cache/options';
import { ResponseCache } from '../cache/response-cache';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody } from '../call/body';
import type { Call } from '../call/call';
import type { ResolvedConfig } from '../config/options';
import { AiBalancerError } from '../errors';
import type { CallResult, WholeResult } from '../failover/call-result';
import type { Executor } from '../failover/executor';
import { Coalescer, isRepeatable } from '../failover/sharing/coalesce';
import { Idempotency } from '../failover/sharing/idempotency';
import { sharedReport } from '../failover/sharing/shared-run';
import { Guardrails } from '../hooks/guardrails';
import type { TextGuard } from '../hooks/text-guard';
import type { SharedStore } from '../util/redis';
import type { EventReporter } from './event-reporter';
import { redisStore } from './redis-store';
import { combinedRoute, rejectedError, withFailedAttempts } from './rejected-answer';
import type { RunningCall } from './running-call';

type WholeAnswer = Extract<WholeResult, { kind: 'answer' }>;
/**
 * The type of answers in the signatures of the cache and the hooks. Responses calls are not cached, but a hook gets a
 * native response, whatever this type says, if the call has no translation.
 */
type KnownAnswer = ChatCompletion | EmbeddingResponse;

export interface AnswerSourceParts {
  readonly executor: Executor;
  readonly events: Pick<EventReporter, 'hookFailed' | 'cacheFailed'>;
  readonly sharedStore: SharedStore | undefined;
  /**
   * Returns the same call with another body, for the same request and with the same deadline.
   *
   * @throws ERR_AI_BAD_REQUEST
   */
  prepareAgain(running: RunningCall, body: ChatBody | EmbeddingBody): Call;
}

/**
 * Gets the answer of a call from a hook, the cache, an equal call in flight, or an endpoint. Runs the `after` hooks on
 * whole answers before the caller gets them.
 */
export class AnswerSource {
  readonly #parts: AnswerSourceParts;
  readonly #coalescer: Coalescer;
  readonly #idempotency: Idempotency;
  #config: ResolvedConfig;
  #guardrails: Guardrails;
  #cache: ResponseCache | undefined;
  #memory: { readonly maxBytes: number; readonly store: CacheStore } | undefined;

  constructor(parts: AnswerSourceParts, config: ResolvedConfig) {
    this.#parts = parts;
    const { executor } = parts;
    this.#coalescer = new Coalescer((call) => executor.runWhole(call));
    this.#idempotency = new Idempotency((call) => executor.runWhole(call));
    this.#config = config;
    this.#guardrails = this.#createGuardrails();
    this.#cache = this.#createCache();
  }

  /** Applies a new configuration to calls that start from now on. Cached answers are kept. */
  configure(config: ResolvedConfig): void {
    this.#config = config;
    this.#guardrails = this.#createGuardrails();
    this.#cache = this.#createCache();
  }

  /**
   * Resolves once the call has been dispatched or answered; its result is passed to `running.onEnd()`.
   *
   * @throws What a `before` hook refuses or throws.
   */
  async send(running: RunningCall): Promise<void> {
    if (this.#guardrails.checksCalls && (await this.#isAnsweredByHook(running))) return;
    if (this.#cache?.serves(running.call, running.options.cache)) {
      running.lookup = await lookUp(this.#cache, running.call);
      const { hit, rest } = running.lookup;
      if (hit) {
        const route = sharedReport(running.call, hit.route, 'cached');
        running.onEnd({ kind: 'answer', data: hit.data, route });
        return;
      }
      if (rest) running.call = this.#parts.prepareAgain(running, rest);
    }
    this.#dispatch(running);
  }

  /** Whether {@link examine} must process a result before the caller gets it. */
  mustExamine({ call, lookup }: RunningCall, result: CallResult): result is WholeResult {
    if (result.kind === 'stream') return false;
    if (result.kind === 'failed') return lookup?.stale !== undefined && isOutage(result.error);
    return lookup !== undefined || (this.#guardrails.checksAnswers && !call.stream);
  }

  /** Resolves to the result as the hooks and the cache have changed it. Never rejects. */
  async examine(running: RunningCall, result: WholeResult): Promise<WholeResult> {
    const { call, lookup } = running;
    if (result.kind === 'failed') {
      if (!lookup?.stale) return result;
      const route = withFailedAttempts(sharedReport(call, lookup.stale.route, 'stale'), result.route);
      return this.#checked(running, { kind: 'answer', data: lookup.stale.data, route });
    }
    if (!lookup || result.route.shared) return this.#checked(running, result);
    // Never a native response: Responses calls are not looked up, because they are not cached.
    const data = lookup.complete(result.data as KnownAnswer);
    // A hook may mutate the answer that it gets; the cache must store the endpoint's unchanged.
    const shown = this.#guardrails.checksAnswers ? structuredClone(data) : data;
    const checked = await this.#checked(running, { ...result, data: shown });
    if (checked.kind === 'answer' && checked.route === result.route)
      lookup.store(result.data as KnownAnswer, result.route);
    return checked;
  }

  /** Returns the guard that runs the `text` hooks on a call's stream; undefined if there are no such hooks. */
  guardText(call: Call): TextGuard | undefined {
    return this.#guardrails.guardText(call);
  }

  #dispatch(running: RunningCall): void {
    const { call, options } = running;
    const { coalesce, idempotency } = this.#config;
    const { idempotencyKey } = options;
    const onEnd = (result: CallResult): void => running.onEnd(result);
    if (call.stream) this.#parts.executor.run(running);
    else if (idempotency && idempotencyKey !== undefined)
      void this.#idempotency.run(idempotencyKey, call).then(onEnd);
    else if (coalesce && isRepeatable(call)) void this.#coalescer.run(call).then(onEnd);
    else this.#parts.executor.run(running);
  }

  async #isAnsweredByHook(running: RunningCall): Promise<boolean> {
    const prepare = (body: ChatBody | EmbeddingBody): Call => this.#parts.prepareAgain(running, body);
    const { call, answer } = await this.#guardrails.allow(running.call, prepare);
    running.call = call;
    if (!answer) return false;
    const route = sharedReport(call, { endpoint: '', provider: '', model: '' }, 'hook');
    running.onEnd({ kind: 'answer', data: answer, route });
    return true;
  }

  /** Runs the `after` hooks; where one rejects the answer, sends the call again. Never rejects. */
  async #checked(running: RunningCall, first: WholeAnswer): Promise<WholeResult> {
    if (!this.#guardrails.checksAnswers || running.call.stream || first.route.shared === 'hook') return first;
    let call = running.call;
    let result = first;
    const excluded = new Set<string>();
    try {
      for (let rejected = 0; ; ) {
        const { endpoint } = result.route;
        const checked = await this.#guardrails.check(call, result.data as KnownAnswer, {
          endpoint,
          rejected,
        });
        if (checked.kind === 'accepted') return { ...result, data: checked.answer };
        rejected++;
        excluded.add(endpoint);
        if (!this.#guardrails.mayAskAgain(rejected))
          return { kind: 'failed', error: rejectedError(checked.by, result.route), route: result.route };
        call = checked.body ? this.#parts.prepareAgain(running, checked.body) : { ...call, excluded };
        const next = await this.#parts.executor.runWhole(call);
        const route = combinedRoute(result.route, next.route);
        if (next.kind === 'failed')
          return { kind: 'failed', error: rejectedError(checked.by, route, next.error), route };
        result = { ...next, route };
      }
    } catch (error) {
      return { kind: 'failed', error, route: result.route };
    }
  }

  #createGuardrails(): Guardrails {
    return new Guardrails(this.#config.hooks, (name, error) => this.#parts.events.hookFailed(name, error));
  }

  #createCache(): ResponseCache | undefined {
    const { cache } = this.#config;
    if (!cache) return undefined;
    const store = cache.store ?? this.#sharedCache(cache.redis) ?? this.#memoryStore(cache.maxBytes);
    return new ResponseCache(store, cache, (error) => this.#parts.events.cacheFailed(error));
  }

  #sharedCache(isAsked: boolean): CacheStore | undefined {
    const { sharedStore } = this.#parts;
    return isAsked && sharedStore ? redisStore(sharedStore) : undefined;
  }

  #memoryStore(maxBytes: number): CacheStore {
    if (this.#memory?.maxBytes !== maxBytes) this.#memory = { maxBytes, store: createMemoryStore(maxBytes) };
    return this.#memory.store;
  }
}

const OUTAGES: readonly unknown[] = [
  'ERR_AI_SATURATED',
  'ERR_AI_UNAVAILABLE',
  'ERR_AI_DEADLINE',
  'ERR_AI_ALL_FAILED',
];

function isOutage(error: unknown): boolean {
  return AiBalancerError.isInstance(error) && OUTAGES.includes(error.code);
}
