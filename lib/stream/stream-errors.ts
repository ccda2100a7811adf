/**
 * The upstream reported an error inside a stream that had begun with 200. What it said is kept for the classification
 * of the failure only: it may quote the prompt, so neither JSON nor a log of the error shows it.
 */
export class UpstreamStreamError extends Error {
  override readonly name = 'UpstreamStreamError';
  readonly #data: string;
  readonly #event: string | undefined;

  constructor(data: string, event?: string) {
    super('The upstream reported an error inside the stream.');
    this.#data = data;
    this.#event = event;
  }

  /** The data of the event as it arrived, such as `{"error":{...}}`. */
  get data(): string {
    return this.#data;
  }

  /** The name of the event, where it has one. */
  get event(): string | undefined {
    return this.#event;
  }
}

/** The stream ended, in good order or not, before every choice had its `finish_reason`. */
export class TruncatedStreamError extends Error {
  override readonly name = 'TruncatedStreamError';

  constructor(message = 'The stream ended before the answer did.') {
    super(message);
  }
}

/** One event was larger than the limit; nothing more is read of such a stream. */
export class EventTooLargeError extends Error {
  override readonly name = 'EventTooLargeError';

  constructor(readonly maxEventBytes: number) {
    super(`One event of the stream is larger than ${maxEventBytes} bytes.`);
  }
}
