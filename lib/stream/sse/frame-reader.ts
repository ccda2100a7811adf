import { afterPendingIO, within } from '../../util/timers';
import { SseDecoder } from './sse-decoder';
import type { SseFrame } from './sse-frame';

export interface FrameReaderOptions {
  /** Total time to wait for what may follow a complete answer, in milliseconds. */
  readonly graceMs: number;
  /** Whether the answer is complete. From then on, nothing that happens to the source is a failure. */
  isComplete(): boolean;
  /** Size limit of one event, in bytes. Default 8 MiB. */
  readonly maxEventBytes?: number;
}

/**
 * After this many bytes, reading pauses for one turn of the event loop: the next chunk of a fast upstream has often
 * arrived before the last one is read, and without a pause no other work would run.
 */
const BYTES_PER_TURN = 128 * 1024;
const NO_FRAMES: readonly SseFrame[] = [];

/**
 * Reads a byte stream as events, one chunk at a time and only when asked, so that a slow reader slows down the
 * upstream. It closes the source as soon as nothing more is needed from it.
 */
export class FrameReader {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #decoder: SseDecoder;
  readonly #options: FrameReaderOptions;
  #frames: readonly SseFrame[] = NO_FRAMES;
  #next = 0;
  #graceLeftMs: number;
  #bytesThisTurn = 0;
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
    const frame = this.#frames[this.#next++];
    // A stream that waits for its next chunk does not hold the last one.
    if (this.#next >= this.#frames.length) this.#dropFrames();
    return frame;
  }

  /** Waits for the next chunk; false at the end. Call it once `take` returns undefined. */
  fill(): Promise<boolean> {
    if (this.#state !== 'open') return Promise.resolve(false);
    if (this.#bytesThisTurn > BYTES_PER_TURN) return this.#fillNextTurn();
    const next = this.#options.isComplete() ? this.#nextInGrace() : this.#chunks.next();
    return next.then(this.#onChunk, this.#onError);
  }

  async #fillNextTurn(): Promise<boolean> {
    this.#bytesThisTurn = 0;
    await new Promise<void>(afterPendingIO);
    return this.fill();
  }

  /** A field, so that no closure is created for each chunk. */
  readonly #onChunk = (chunk: IteratorResult<Uint8Array> | undefined): boolean => {
    if (this.#state === 'closed') return false;
    if (chunk === undefined) {
      this.close();
      return false;
    }
    if (!chunk.done) {
      this.#bytesThisTurn += chunk.value.byteLength;
      this.#frames = this.#decoder.decode(chunk.value);
      return true;
    }
    this.#state = 'ended';
    this.#frames = this.#decoder.end();
    return this.#frames.length > 0;
  };

  readonly #onError = (error: unknown): boolean => {
    const isExpected = this.#state === 'closed' || this.#options.isComplete();
    this.close();
    if (isExpected) return false;
    throw error;
  };

  /** Restarts the grace period after an event that arrived in it. */
  restartGrace(): void {
    this.#graceLeftMs = this.#options.graceMs;
  }

  close(): void {
    if (this.#state === 'closed') return;
    const hasEnded = this.#state === 'ended';
    this.#state = 'closed';
    this.#dropFrames();
    if (!hasEnded) this.#closeSource();
  }

  /**
   * Stops reading; the rest of the source is discarded for the length of the grace period, so that the connection of a
   * well-behaved upstream can be reused.
   */
  release(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    this.#dropFrames();
    void this.#drain();
  }

  #dropFrames(): void {
    this.#frames = NO_FRAMES;
    this.#next = 0;
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

  /**
   * The next chunk; undefined when the grace period is over. Only the time spent waiting counts, not the time that a
   * slow reader takes.
   */
  async #nextInGrace(): Promise<IteratorResult<Uint8Array> | undefined> {
    const startedAt = performance.now();
    const next = this.#chunks.next();
    const result = await within(next, this.#graceLeftMs);
    this.#graceLeftMs -= Math.max(0, performance.now() - startedAt);
    return result;
  }

  #closeSource(): void {
    // The iterator of a Readable handles return() only after the pending read, which may never settle, so the Readable
    // itself is destroyed.
    const { destroy } = this.#source as { destroy?: () => void };
    if (typeof destroy === 'function') destroy.call(this.#source);
    void this.#chunks.return?.().catch(() => undefined);
  }
}
