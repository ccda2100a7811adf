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

/**
 * The promise behind `AICall`. Its base promise is marked as handled, so that awaiting only `.withRoute()` or
 * `.pipe()` leaves no unhandled rejection; `then()` gives a plain promise.
 */
export class AICallPromise<T> extends Promise<T> implements AICall<T> {
  readonly #served: Promise<Served<T>>;
  readonly #pipe: (res: ServerResponse) => Promise<void>;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor(served: Promise<Served<T>>, pipe: (res: ServerResponse) => Promise<void>) {
    super((resolve, reject) => {
      served.then(({ data }) => resolve(data), reject);
    });
    this.#served = served;
    this.#pipe = pipe;
    this.catch(() => undefined);
  }

  withRoute(): Promise<Served<T>> {
    return this.#served;
  }

  pipe(res: ServerResponse): Promise<void> {
    return this.#pipe(res);
  }
}
