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

/** What settles the promise of a call, and knows more than its answer. */
export interface Outcome<T> {
  /** How the call was served. There when the promise resolves. */
  readonly route: RouteReport;
  /** Takes what settles the promise. */
  promised(resolve: (data: T) => void, reject: (error: unknown) => void): void;
  pipe(res: ServerResponse, answer: Promise<T>): Promise<void>;
}

/**
 * The promise behind `AICall`. It is marked as handled, so that awaiting only `.withRoute()` or `.pipe()` leaves no
 * unhandled rejection; `then()` gives a plain promise.
 */
export class AICallPromise<T> extends Promise<T> implements AICall<T> {
  readonly #outcome: Outcome<T>;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor(outcome: Outcome<T>) {
    super((resolve, reject) => outcome.promised(resolve, reject));
    this.#outcome = outcome;
    this.catch(handled);
  }

  withRoute(): Promise<Served<T>> {
    const served = this.then((data) => ({ data, route: this.#outcome.route }));
    served.catch(handled);
    return served;
  }

  pipe(res: ServerResponse): Promise<void> {
    return this.#outcome.pipe(res, this);
  }
}

/** A call that comes to nothing before it has begun. */
export function refusedCall(error: unknown): AICall<never> {
  return new AICallPromise<never>({
    promised: (_resolve, reject) => reject(error),
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what the app threw goes back to it as it is
    pipe: () => Promise.reject(error),
    get route(): never {
      throw error;
    },
  });
}

function handled(): void {
  // Whoever wants to know awaits another of the promises.
}
