import type { ServerResponse } from 'node:http';
import type { RouteReport } from '../route-report';
import { toError } from '../util/app-function';

/** What {@link AICall.withRoute} resolves to. */
export interface AnswerWithRoute<T> {
  /** The answer. */
  readonly data: T;
  /** How the call was served. */
  readonly route: RouteReport;
}

/** Options of {@link AICall.pipe}. */
export interface PipeOptions {
  /**
   * A comment is sent after this long without an event, in milliseconds, so that proxies don't close the connection.
   * Default 15,000.
   */
  readonly keepAliveMs?: number | undefined;
  /**
   * How long the headers wait for the call, in milliseconds. An error in that time is answered with its own status, as
   * JSON; a later one can only be sent as an event. Default 20. `Infinity` waits for the first content.
   */
  readonly headerDelayMs?: number | undefined;
  /** Added to the headers of the event stream. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Aborts the call. The client's own disconnect aborts it anyway. */
  readonly signal?: AbortSignal | undefined;
}

const NOT_AWAITED =
  'This is a call, not its answer: await it first, as in res.json(await req.ai.chat(body)).';

/** A running call: a promise of the answer that can also report its route, or write the answer to a response. */
export interface AICall<T> extends Promise<T> {
  /** Resolves to the answer together with its route report. */
  withRoute(): Promise<AnswerWithRoute<T>>;
  /**
   * Streams only: sends the answer as server-sent events. Headers and keep-alive comments are sent while the call waits
   * for its first token; an error after the headers is sent as an event. Never rejects because of the call's own
   * failure; resolves when the response has ended.
   * @throws ERR_AI_BAD_REQUEST if the call has no `stream: true`, or an option is wrong; a TypeError if it is piped
   *   twice.
   */
  pipe(res: ServerResponse, options?: PipeOptions): Promise<void>;
}

/** Settles the promise of a call, and knows how to send its answer to a response. */
export abstract class Outcome<T> {
  #answer: Promise<T> | undefined;
  #resolve: ((data: T) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #route: RouteReport | undefined;

  /** Sends the answer to a response. */
  abstract pipe(res: ServerResponse, answer: Promise<T>, options: PipeOptions): Promise<void>;

  /** Ends the call early: nobody will read its answer. */
  abstract cancel(): void;

  /** Called by the constructor of the promise, with the promise itself and the functions that settle it. */
  connect(answer: Promise<T>, resolve: (data: T) => void, reject: (error: unknown) => void): void {
    this.#answer = answer;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The route report of the answer; set once the promise has resolved. */
  get route(): RouteReport {
    return this.#route as RouteReport;
  }

  resolve({ data, route }: AnswerWithRoute<T>): void {
    this.#route = route;
    this.#resolve?.(data);
  }

  reject(error: unknown): void {
    // The rejection is marked as handled only now: while the call waits, the handler would take more memory than the
    // rest of the promise.
    this.#answer?.catch(ignore);
    // A function of the app may have thrown anything, and next(undefined) would let the request pass.
    this.#reject?.(toError(error, 'the call'));
  }
}

/**
 * The promise behind `AICall`. Its rejection counts as handled, so that awaiting only `.withRoute()` or `.pipe()`
 * leaves no unhandled rejection; `then()` returns a plain promise.
 */
export class AICallPromise<T> extends Promise<T> implements AICall<T> {
  readonly #outcome: Outcome<T>;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor(outcome: Outcome<T>) {
    let settle!: { resolve: (data: T) => void; reject: (error: unknown) => void };
    super((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#outcome = outcome;
    outcome.connect(this, settle.resolve, settle.reject);
  }

  withRoute(): Promise<AnswerWithRoute<T>> {
    const served = this.then((data) => ({ data, route: this.#outcome.route }));
    served.catch(ignore);
    return served;
  }

  pipe(res: ServerResponse, options: PipeOptions = {}): Promise<void> {
    return this.#outcome.pipe(res, this, options);
  }

  /** Throws an error, because `res.json(call)` would send `{}`. Not part of the type. */
  toJSON(): never {
    throw new TypeError(NOT_AWAITED);
  }

  /** Throws an error, because `req.ai.chat(body).choices` would be undefined. Not part of the type. */
  get choices(): never {
    throw new TypeError(NOT_AWAITED);
  }

  /** Throws an error, because `req.ai.embeddings(body).data` would be undefined. Not part of the type. */
  get data(): never {
    throw new TypeError(NOT_AWAITED);
  }

  /** Throws an error that says what is wrong, and ends the call whose answer nobody will read. Not part of the type. */
  [Symbol.asyncIterator](): never {
    this.#outcome.cancel();
    throw new TypeError(
      'This is a call, not its stream: await it first, as in for await (const chunk of await req.ai.chat(body)).',
    );
  }
}

function ignore(): void {
  // Ignored on purpose: without this handler, an app that awaits only another promise of the call would get an
  // unhandledRejection.
}
