import type { ServerResponse } from 'node:http';
import type { RouteReport } from './report';

export interface Served<T> {
  readonly data: T;
  readonly route: RouteReport;
}

/** A running call: a promise of the answer, with more for those who want it. */
export interface AICall<T> extends Promise<T> {
  /** The answer and how the call was served. */
  withRoute(): Promise<Served<T>>;
  /**
   * Streams only: sends the answer as server-sent events, headers and keep-alive comments already while waiting for
   * the first token; an error after the headers is sent as an event. Resolves when the response has ended.
   */
  pipe(res: ServerResponse): Promise<void>;
}

/** How a call ends, as its caller sees it. */
export abstract class Outcome<T> {
  #answer: Promise<T> | undefined;
  #resolve: ((data: T) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #route: RouteReport | undefined;

  /** Sends the answer to a response. */
  abstract pipe(res: ServerResponse, answer: Promise<T>): Promise<void>;

  /** Takes the promise, and what settles it. */
  promised(answer: Promise<T>, resolve: (data: T) => void, reject: (error: unknown) => void): void {
    this.#answer = answer;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** There when the promise has resolved. */
  get route(): RouteReport {
    return this.#route as RouteReport;
  }

  /** Settles the promise with what `end` gives, or throws. */
  settle(end: () => Served<T>): void {
    try {
      const { data, route } = end();
      this.#route = route;
      this.#resolve?.(data);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    // Marked as handled only now: the mark weighs more than all else that a promise holds while its call waits.
    this.#answer?.catch(ignored);
    this.#reject?.(error);
  }
}

/**
 * The promise behind `AICall`. It rejects as handled, so that awaiting only `.withRoute()` or `.pipe()` leaves no
 * unhandled rejection; `then()` gives a plain promise.
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
    outcome.promised(this, settle.resolve, settle.reject);
  }

  withRoute(): Promise<Served<T>> {
    const served = this.then((data) => ({ data, route: this.#outcome.route }));
    served.catch(ignored);
    return served;
  }

  pipe(res: ServerResponse): Promise<void> {
    return this.#outcome.pipe(res, this);
  }
}

/** A call that comes to nothing before it has begun. */
export function refusedCall(error: unknown): AICall<never> {
  const outcome = new Refused();
  const answer = new AICallPromise(outcome);
  outcome.fail(error);
  return answer;
}

class Refused extends Outcome<never> {
  async pipe(_res: ServerResponse, answer: Promise<never>): Promise<void> {
    await answer;
  }
}

function ignored(): void {
  // Whoever wants to know awaits another of the promises.
}
