import type { FailureDetail } from '../failure/detail';

/** The upstream broke off a stream, or sent something that is not one. */
export class StreamFailure extends Error {
  override readonly name: string = 'StreamFailure';
  readonly #detail: FailureDetail;

  constructor(message: string, detail: FailureDetail = { class: 'bad_answer', message }) {
    super(message);
    this.#detail = detail;
  }

  /** Not enumerable: its message may quote the prompt, so neither JSON nor a log of the error shows it. */
  get detail(): FailureDetail {
    return this.#detail;
  }
}

/** The upstream reported an error inside a stream that had begun with a 200. */
export class UpstreamStreamError extends StreamFailure {
  override readonly name = 'UpstreamStreamError';

  constructor(detail: FailureDetail) {
    super('The upstream reported an error inside the stream.', detail);
  }
}

/** The stream ended before every choice had its `finish_reason`. */
export class TruncatedStreamError extends StreamFailure {
  override readonly name = 'TruncatedStreamError';

  constructor(message = 'The stream ended before the answer did.') {
    super(message);
  }
}

/** One event exceeded the size limit. Nothing more is read from such a stream. */
export class EventTooLargeError extends StreamFailure {
  override readonly name = 'EventTooLargeError';

  constructor(readonly maxEventBytes: number) {
    super(`One event of the stream is larger than ${maxEventBytes} bytes.`);
  }
}
