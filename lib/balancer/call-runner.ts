import { type AICall, AICallPromise } from '../call/ai-call';
import type { ChatCompletion } from '../call/answer';
import type { ApiOperation } from '../call/body';
import type { Call } from '../call/call';
import type { CallHooks } from '../call/call-hooks';
import type { CallOptions } from '../call/context';
import { LinkedAbort } from '../call/linked-abort';
import { type PrepareParts, prepareCall } from '../call/prepare';
import { ExpectedOutput } from '../call/tokens';
import type { ResolvedConfig } from '../config/options';
import { AiBalancerError } from '../errors';
import type { CallResult, StreamResult } from '../failover/call-result';
import type { Executor } from '../failover/executor';
import type { ResponseStream } from '../responses/response-stream';
import type { RouteReport } from '../route-report';
import type { ShadowStats } from '../shadow/options';
import type { Shadow } from '../shadow/shadow';
import type { ChatStream } from '../stream/chat-stream';
import { toError } from '../util/app-function';
import type { SharedStore } from '../util/redis';
import { startTimer } from '../util/timers';
import { AnswerSource } from './answer-source';
import { type Answer, CallOutcome } from './call-outcome';
import { checkCall } from './check-call';
import { createShadow, prepareParts, type ShadowSources } from './components';
import type { EventReporter } from './event-reporter';
import { localStream, openStream } from './open-stream';
import { changedRequest, ResponseCalls } from './response-calls';
import { RunningCall } from './running-call';
import { TracedAnswer } from './traced-answer';

/** The weight of a new call in `meanTokens` never falls below this, so that the mean follows changes of the load. */
const MIN_CALL_TOKENS_GAIN = 0.05;

export interface CallRunnerParts extends ShadowSources {
  readonly executor: Executor;
  readonly events: EventReporter;
  /** Access to the cluster's Redis, in which the response cache can store answers; undefined without a cluster. */
  readonly sharedStore: SharedStore | undefined;
}

/**
 * Runs calls from start to end. A call is checked and prepared, admitted by the hooks of its request, and passed to the
 * answer source. When the result is there, the call is counted, reported to the hooks and as an event, and its promise
 * is resolved or rejected.
 */
export class CallRunner {
  /**
   * Number of ended calls by result. `shed` counts those that failed because no quota was free in time. Aborted calls
   * are not counted.
   */
  readonly counts = { ok: 0, failed: 0, shed: 0 };
  readonly #parts: CallRunnerParts;
  readonly #source: AnswerSource;
  readonly #responses: ResponseCalls;
  /** Learns how many output tokens calls use. */
  readonly #expectedOutput = new ExpectedOutput();
  readonly #running = new Set<RunningCall>();
  #config: ResolvedConfig;
  #shadow: Shadow | undefined;
  #prepareParts: PrepareParts;
  #meanTokens = 0;
  #startedCount = 0;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: CallRunnerParts, config: ResolvedConfig) {
    this.#parts = parts;
    this.#config = config;
    this.#prepareParts = prepareParts(config, this.#expectedOutput);
    this.#responses = new ResponseCalls(parts.registry, config);
    const { executor, events, sharedStore } = parts;
    const prepareAgain = this.#prepareAgain.bind(this);
    this.#source = new AnswerSource({ executor, events, sharedStore, prepareAgain }, config);
    this.#shadow = createShadow(config, events, parts);
  }

  /** Applies a new configuration to calls that start from now on. */
  configure(config: ResolvedConfig): void {
    this.#config = config;
    this.#prepareParts = prepareParts(config, this.#expectedOutput);
    this.#source.configure(config);
    this.#responses.configure(config);
    if (config.shadow && this.#shadow) this.#shadow.configure(config.shadow, config.http.maxResponseBytes);
    else {
      this.#shadow?.close();
      this.#shadow = createShadow(config, this.#parts.events, this.#parts);
    }
  }

  /** The results of the shadow copies; undefined without the option `shadow`. */
  get shadowStats(): ShadowStats | undefined {
    return this.#shadow?.stats();
  }

  /** The running mean of the calls' estimated tokens, prompt and output together. */
  get meanTokens(): number {
    return this.#meanTokens;
  }

  /** Starts a call. Never throws: every fault rejects the call. */
  run(
    operation: ApiOperation,
    body: unknown,
    options: CallOptions = {},
    hooks: CallHooks = {},
  ): AICall<Answer> {
    const outcome = new CallOutcome(operation, body, new LinkedAbort(), this.#onPipeFailure);
    const answer = new AICallPromise(outcome);
    this.#send(outcome, operation, body, options, hooks);
    return answer;
  }

  /** Prepares a call without running it. @throws ERR_AI_BAD_REQUEST that names the field. */
  prepare(
    operation: ApiOperation,
    body: unknown,
    options: CallOptions,
    abort: LinkedAbort,
    request?: unknown,
  ): Call {
    checkCall(operation, body, options);
    if (operation === 'responses') {
      const { chat, responses } = this.#responses.prepare(body, options.tenant);
      return prepareCall('chat', chat, options, abort, this.#prepareParts, request, responses);
    }
    return prepareCall(operation, body, options, abort, this.#prepareParts, request);
  }

  readonly #settle = (running: RunningCall, result: CallResult): void => {
    if (!this.#source.mustExamine(running, result)) this.#finish(running, result);
    else void this.#source.examine(running, result).then((examined) => this.#finish(running, examined));
  };

  #finish(running: RunningCall, result: CallResult): void {
    const { outcome } = running;
    if (result.kind === 'failed') this.#fail(running, result.error, result.route);
    else if (result.kind === 'answer') {
      this.#end(running, result.route, undefined, this.#newTrace()?.add(result.data));
      const { call } = running;
      const data = call.stream
        ? this.#responses.streamOf(call, localStream(call, result, this.#source.guardText(call)))
        : this.#responses.answerOf(call, result);
      outcome.resolve({ data, route: result.route });
      this.#shadow?.copy({ call, answer: result.data as ChatCompletion, route: result.route });
    } else {
      try {
        const data = this.#openStream(running, result.stream);
        outcome.resolve({ data, route: data.route });
      } catch (error) {
        this.#fail(running, error);
      }
    }
  }

  /** Refuses new calls, waits up to `graceMs` milliseconds for running ones, and aborts those that are left. */
  async drain(graceMs: number): Promise<void> {
    this.#isClosed = true;
    this.#shadow?.close();
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = startTimer(resolve, graceMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const { outcome } of [...this.#running]) outcome.abort.abort(closedError());
  }

  readonly #onPipeFailure = (error: unknown): void => this.#parts.events.pipeFailed(error);

  #send(
    outcome: CallOutcome,
    operation: ApiOperation,
    body: unknown,
    options: CallOptions,
    hooks: CallHooks,
  ): void {
    let running: RunningCall;
    try {
      running = this.#start(outcome, operation, body, options, hooks);
    } catch (error) {
      outcome.abort.release();
      outcome.reject(error);
      return;
    }
    const { events } = this.#parts;
    if (!events.isObserved) void this.#proceed(running);
    else events.callStarted(running.call, () => void this.#proceed(running));
  }

  /** Resolves once the call is dispatched, so that no suspended async function is held in memory for a queued call. */
  async #proceed(running: RunningCall): Promise<void> {
    try {
      await running.admit();
      this.#parts.budgets.tenants.enter(running.call.context.tenant);
      await this.#source.send(running);
    } catch (error) {
      this.#fail(running, error);
    }
  }

  /** Returns the call with another body, for the same request and with the same deadline. */
  #prepareAgain({ call, options, hooks, outcome }: RunningCall, body: unknown): Call {
    const { operation, context, startedAt, deadlineAt } = call;
    const again = { ...options, requestId: context.requestId };
    const prepared = this.prepare(operation, body, again, outcome.abort, hooks.request);
    return { ...prepared, context, startedAt, deadlineAt, responses: changedRequest(call) };
  }

  /** @throws ERR_AI_CLOSED; ERR_AI_BAD_REQUEST that names the field. */
  #start(
    outcome: CallOutcome,
    operation: ApiOperation,
    body: unknown,
    options: CallOptions,
    hooks: CallHooks,
  ): RunningCall {
    if (this.#isClosed) throw closedError();
    const { abort } = outcome;
    const call = this.prepare(operation, body, options, abort, hooks.request);
    abort.follow(options.signal, hooks.signal);
    const running = new RunningCall(call, options, hooks, outcome, this.#settle);
    this.#running.add(running);
    const gain = Math.max(MIN_CALL_TOKENS_GAIN, 1 / ++this.#startedCount);
    this.#meanTokens += gain * (call.promptTokens + call.expectedOutputTokens - this.#meanTokens);
    return running;
  }

  #openStream(running: RunningCall, result: StreamResult): ChatStream | ResponseStream {
    const traced = this.#newTrace();
    const stream = openStream(running, result, {
      executor: this.#parts.executor,
      events: this.#parts.events,
      recovery: this.#config.stream.recovery,
      guard: this.#source.guardText(running.call),
      traced,
      onAnswer: this.#shadow?.wants(running.call) ? this.#copyStream(running) : undefined,
      onEnd: (error, route) => {
        if (error) this.#fail(running, error, route, traced);
        else this.#end(running, route, undefined, traced);
      },
    });
    return this.#responses.streamOf(running.call, stream);
  }

  #copyStream({ call }: RunningCall) {
    return (answer: ChatCompletion, route: RouteReport): void => this.#shadow?.copy({ call, answer, route });
  }

  /**
   * Ends the call as failed and rejects its promise, unless that has resolved to a stream. A call aborted because the
   * balancer closes fails with ERR_AI_CLOSED.
   */
  #fail(running: RunningCall, thrown: unknown, route?: RouteReport, traced?: TracedAnswer): void {
    const { reason } = running.outcome.abort;
    const isClosing = hasCode(thrown, 'ERR_AI_ABORTED') && hasCode(reason, 'ERR_AI_CLOSED');
    // A function of the app may throw undefined, which must not count as success.
    const error = isClosing ? reason : toError(thrown, 'a function of the app');
    this.#end(running, route, error, traced);
    running.outcome.reject(error);
  }

  /** Counts the ended call, releases its resources and emits its event: exactly once for every call that started. */
  #end(running: RunningCall, route: RouteReport | undefined, error?: unknown, traced?: TracedAnswer): void {
    const { call, hooks, outcome } = running;
    if (error === undefined) {
      this.counts.ok++;
      if (route) this.#learn(call, route);
    } else if (hasCode(error, 'ERR_AI_SATURATED')) this.counts.shed++;
    else if (!hasCode(error, 'ERR_AI_ABORTED')) this.counts.failed++;
    outcome.abort.release();
    this.#running.delete(running);
    if (this.#running.size === 0) this.#onIdle?.();
    hooks.onUsage?.(call, route);
    this.#parts.events.callEnded(call, route, error, traced);
  }

  /** Returns undefined while no observer is active. */
  #newTrace(): TracedAnswer | undefined {
    return this.#parts.events.isObserved ? new TracedAnswer() : undefined;
  }

  #learn(call: Call, route: RouteReport): void {
    if (call.operation === 'chat' && route.usage) {
      this.#expectedOutput.learn(call.model ?? '', call.context.tenant, route.usage.completion_tokens);
    }
    this.#parts.registry.learnCached(call, route);
  }
}

export function closedError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_CLOSED', 'the balancer is closing', { status: 503, retryable: false });
}

function hasCode(error: unknown, code: AiBalancerError['code']): boolean {
  return AiBalancerError.isInstance(error) && error.code === code;
}
