import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { Call } from '../call/call';
import type { RouteReport } from '../call/report';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import type { FailureDetail } from '../failure/detail';
import type { StreamedAnswer, WholeAnswer } from '../http/exchange';
import { isTooSlowToFinish } from './attempt-limit';
import { Attempts, TooSlow } from './attempts';
import { withTrail } from './call-errors';
import type { ExecutorParts, Progress } from './call-state';
import type { Trail } from './route-recorder';
import type { Send } from './running-attempt';
import { Acquirer } from './slot-acquirer';
import type { Caller, Entrance } from './waiting-call';

/** How a whole call ended. What it used until it failed is told as well: somebody may have to pay for it. */
export type WholeEnd =
  | { readonly ok: true; readonly data: ChatCompletion | EmbeddingResponse; readonly route: RouteReport }
  | { readonly ok: false; readonly error: unknown; readonly route: RouteReport | undefined };

/** Who sends a whole call. Told once. */
export interface WholeCaller extends Caller {
  finished(end: WholeEnd): void;
}

/** How the beginning of a stream ended. */
export type StreamEnd =
  | { readonly ok: true; readonly result: StreamResult }
  | { readonly ok: false; readonly error: unknown };

/** Who sends a call that is streamed. Told once, at the first content. */
export interface StreamCaller extends Caller {
  started(end: StreamEnd): void;
}

/** A stream that has shown its first content. Its lease is still open: whoever reads the rest ends it. */
export interface StreamResult {
  readonly sent: StreamedAnswer;
  readonly lease: EndpointSlot;
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
  readonly #acquirer: Acquirer;
  readonly #attempts: Attempts;

  readonly #wholes: Entrance<WholeCaller> = {
    placed: (caller, progress, place) =>
      void this.#wholeEnd(progress, place).then((end) => caller.finished(end)),
    refused: (caller, { trail }, error) =>
      caller.finished({ ok: false, error: told(error, trail), route: trail.report() }),
  };
  readonly #streams: Entrance<StreamCaller> = {
    placed: (caller, progress, place) =>
      void this.#streamEnd(progress, place).then((end) => caller.started(end)),
    refused: (caller, { trail }, error) => caller.started({ ok: false, error: told(error, trail) }),
  };

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#acquirer = new Acquirer(parts);
    this.#attempts = new Attempts(parts, this.#acquirer);
  }

  /** Sends a call that is answered whole. Where it must wait, nothing waits with it but its caller. */
  whole(caller: WholeCaller): void {
    this.#begin(caller, this.#wholes);
  }

  /** Sends a call that is answered by a stream, likewise. */
  stream(caller: StreamCaller): void {
    this.#begin(caller, this.#streams);
  }

  /** Another attempt for a stream that broke off at an endpoint. It is no new call, and pays nothing into budgets. */
  async streamAgain(progress: Progress, broken: Broken, ask: Ask): Promise<StreamResult> {
    this.#attempts.narrow(progress, broken.endpoint, broken.detail);
    await this.#attempts.beforeNext(progress);
    return this.#stream(progress, ask);
  }

  #begin<C extends Caller>(caller: C, entrance: Entrance<C>): void {
    this.#parts.retryBudget.onCall();
    this.#parts.hedge.onCall();
    this.#acquirer.first(caller, entrance);
  }

  async #wholeEnd(progress: Progress, place: EndpointSlot): Promise<WholeEnd> {
    const { call, trail } = progress;
    try {
      const send: Send<WholeAnswer> = ({ endpoint }, options) => endpoint.sendWhole(call, options);
      const { lease, value } = await this.#attempts.run(progress, send, place);
      lease.learnLimits(value.reading);
      lease.succeed(value.usage);
      trail.ended(value.usage);
      return { ok: true, data: value.data, route: trail.report() };
    } catch (error) {
      return { ok: false, error: told(error, trail), route: trail.report() };
    }
  }

  async #streamEnd(progress: Progress, place: EndpointSlot): Promise<StreamEnd> {
    const { call, trail } = progress;
    try {
      return { ok: true, result: await this.#stream(progress, () => ({ call, continued: false }), place) };
    } catch (error) {
      return { ok: false, error: told(error, trail) };
    }
  }

  async #stream(progress: Progress, ask: Ask, place?: EndpointSlot): Promise<StreamResult> {
    const send: Send<Begun> = async (lease, options) => {
      const { call, continued } = ask(lease.endpoint);
      const sent = await lease.endpoint.sendStream(call, options);
      lease.learnLimits(sent.reading);
      lease.recordFirstToken();
      if (
        !isTooSlowToFinish(call, lease.endpoint, performance.now() - lease.startedAt, options.alternativeMs)
      ) {
        return { sent, continued, abort: () => sent.abort() };
      }
      sent.abort();
      throw new TooSlow();
    };
    const { lease, value } = await this.#attempts.run(progress, send, place);
    progress.trail.firstToken();
    return { sent: value.sent, continued: value.continued, lease, trail: progress.trail, progress };
  }
}

/** The error, with the call's way where it doesn't tell. */
function told(error: unknown, trail: Trail): unknown {
  return AiBalancerError.isInstance(error) && error.route === undefined ? withTrail(error, trail) : error;
}
