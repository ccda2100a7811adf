import { within } from '../../util/timers';
import { SseDecoder, type SseFrame } from './sse-decoder';

export interface FrameReaderOptions {
  /** How long to wait in all, in milliseconds, for what may follow a complete answer. */
  readonly graceMs: number;
  /** Whether the answer is complete: from then on nothing that happens to the source is a failure. */
  isComplete(): boolean;
  /** The largest event, in bytes. Default 8 MiB. */
  readonly maxEventBytes?: number;
}

/**
 * Reads a byte stream as events, one chunk at a time and only when asked, so that a slow reader stops the upstream.
 * It closes the source as soon as nothing more is wanted of it.
 */
export class FrameReader {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #decoder: SseDecoder;
  readonly #options: FrameReaderOptions;
  #frames: SseFrame[] = [];
  #next = 0;
  #graceLeftMs: number;
  #state: 'open' | 'ended' | 'closed' = 'open';

  constructor(source: AsyncIterable<Uint8Array>, options: FrameReaderOptions) {
    this.#source = source;
    this.#chunks = source[Symbol.asyncIterator]();
    this.#options = options;
    this.#decoder = new SseDecoder(options);
    this.#graceLeftMs = options.graceMs;
  }

  /** The next event that has already arrived. */
  take(): SseFrame | undefined {
    return this.#frames[this.#next++];
  }

  /** Waits for more; false at the end. Call it once `take` has nothing left. */
  fill(): Promise<boolean> {
    if (this.#state !== 'open') return Promise.resolve(false);
    const nextIndex = this.#options.isComplete() ? this.#nextInGrace() : this.#chunks.next();
    return nextIndex.then(this.#onChunk, this.#onError);
  }

  /** Made once: a chunk costs one promise of ours. */
  readonly #onChunk = (chunk: IteratorResult<Uint8Array> | undefined): boolean => {
    if (this.#state === 'closed') return false;
    if (chunk === undefined) {
      this.close();
      return false;
    }
    this.#next = 0;
    if (!chunk.done) {
      this.#frames = this.#decoder.decode(chunk.value);
      return true;
    }
    this.#state = 'ended';
    this.#frames = this.#decoder.end();
    return this.#frames.length > 0;
  };

  readonly #onError = (error: unknown): boolean => {
    const expected = this.#state === 'closed' || this.#options.isComplete();
    this.close();
    if (expected) return false;
    throw error;
  };

  /** Starts the grace anew, for what may follow an event that came in it. */
  restartGrace(): void {
    this.#graceLeftMs = this.#options.graceMs;
  }

  /** Ends the reading at once and closes the source. */
  close(): void {
    if (this.#state === 'closed') return;
    const ended = this.#state === 'ended';
    this.#state = 'closed';
    this.#frames = [];
    if (!ended) this.#closeSource();
  }

  /**
   * Ends the reading; the rest of the source is let pass for as long as the grace, so that the connection of a
   * well-behaved upstream can be used again.
   */
  release(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    this.#frames = [];
    void this.#drain();
  }

  async #drain(): Promise<void> {
    try {
      let chunk: IteratorResult<Uint8Array> | undefined;
      do chunk = await this.#nextInGrace();
      while (chunk && !chunk.done);
      if (!chunk) this.#closeSource();
    } catch {
      this.#closeSource();
    }
  }

  /** Undefined when the grace is used up. Only time spent waiting counts, not the time a slow reader takes. */
  async #nextInGrace(): Promise<IteratorResult<Uint8Array> | undefined> {
    const startedAt = performance.now();
    const next = this.#chunks.next();
    const result = await within(next, this.#graceLeftMs);
    this.#graceLeftMs -= Math.max(0, performance.now() - startedAt);
    return result;
  }

  #closeSource(): void {
    // A Readable's iterator takes a return() only after the read that is pending, which may be never: destroy it.
    const { destroy } = this.#source as { destroy?: () => void };
    if (typeof destroy === 'function') destroy.call(this.#source);
    void this.#chunks.return?.().catch(() => undefined);
  }
}
