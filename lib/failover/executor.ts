import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { Call } from '../call/call';
import type { RouteReport } from '../call/report';
import type { Endpoint, Lease } from '../endpoint/endpoint';
import type { StreamedAnswer } from '../endpoint/exchange';
import { AiBalancerError } from '../errors';
import type { FailureDetail } from '../failure/detail';
import { isTooSlowToFinish } from './attempt-limit';
import { Attempts, TooSlow } from './attempts';
import { withTrail } from './call-errors';
import { type ExecutorParts, newProgress, type Progress } from './progress';
import type { Send } from './race';
import { Trail } from './trail';

/** How a whole call ended. What it used until it failed is told as well: somebody may have to pay for it. */
export type WholeEnd =
  | { readonly ok: true; readonly data: ChatCompletion | EmbeddingResponse; readonly route: RouteReport }
  | { readonly ok: false; readonly error: unknown; readonly route: RouteReport | undefined };

export interface StreamResult {
  readonly sent: StreamedAnswer;
  readonly lease: Lease;
  readonly trail: Trail;
  readonly progress: Progress;
  /** It goes on from the text of the stream before it. */
  readonly continued: boolean;
}

/** What an endpoint is asked: the call itself, or after a stream broke off one that goes on from its text. */
export type Ask = (endpoint: Endpoint) => { readonly call: Call; readonly continued: boolean };

/** Where a stream broke off, and why. */
export interface Broken {
  readonly endpoint: Endpoint;
  readonly detail: FailureDetail;
}

/** A stream that has shown its first content. */
interface Begun extends Pick<StreamResult, 'sent' | 'continued'> {
  abort(): void;
}

/** Runs calls through attempts until one is served or nothing is left to try. Every error is an AiBalancerError. */
export class Executor {
  readonly #parts: ExecutorParts;
  readonly #attempts: Attempts;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#attempts = new Attempts(parts);
  }

  /** Never rejects. */
  async whole(call: Call): Promise<WholeEnd> {
    const trail = new Trail(call);
    try {
      const { lease, value } = await this.#run(newProgress(call, trail), ({ endpoint }, options) =>
        endpoint.sendWhole(call, options),
      );
      lease.read(value.reading);
      lease.succeeded(value.usage);
      trail.ended(value.usage);
      return { ok: true, data: value.data, route: trail.report() };
    } catch (error) {
      return { ok: false, error, route: trail.report() };
    }
  }

  /** Resolves at the first content. The lease is still open: whoever reads the rest ends it. */
  async stream(call: Call): Promise<StreamResult> {
    const progress = newProgress(call, new Trail(call));
    return this.#stream(
      progress,
      () => ({ call, continued: false }),
      (send) => this.#run(progress, send),
    );
  }

  /** Another attempt for a stream that broke off at an endpoint. It is no new call, and pays nothing into budgets. */
  async streamAgain(progress: Progress, broken: Broken, ask: Ask): Promise<StreamResult> {
    this.#attempts.narrow(progress, broken.endpoint, broken.detail);
    await this.#attempts.beforeNext(progress);
    return this.#stream(progress, ask, (send) => this.#attempts.run(progress, send));
  }

  async #stream(
    progress: Progress,
    ask: Ask,
    run: (send: Send<Begun>) => Promise<{ lease: Lease; value: Begun }>,
  ): Promise<StreamResult> {
    const { lease, value } = await run(async (lease, options) => {
      const { call, continued } = ask(lease.endpoint);
      const sent = await lease.endpoint.sendStream(call, options);
      lease.read(sent.reading);
      lease.firstToken();
      if (
        !isTooSlowToFinish(call, lease.endpoint, performance.now() - lease.startedAt, options.alternativeMs)
      ) {
        return { sent, continued, abort: () => sent.abort() };
      }
      sent.abort();
      throw new TooSlow();
    });
    progress.trail.firstToken();
    return { sent: value.sent, continued: value.continued, lease, trail: progress.trail, progress };
  }

  async #run<T>(progress: Progress, send: Send<T>): Promise<{ lease: Lease; value: T }> {
    const { trail } = progress;
    this.#parts.budget.onCall();
    this.#parts.hedge.onCall();
    try {
      return await this.#attempts.run(progress, send);
    } catch (error) {
      throw AiBalancerError.isInstance(error) && error.route === undefined ? withTrail(error, trail) : error;
    }
  }
}
