import { EventTooLargeError } from '../stream-errors';
import { parseEvents, SseFrame } from './sse-frame';

const LF = 10;
const CR = 13;
const COLON = 58;
const BLANK_LINE = Buffer.from('\n\n');
const EMPTY = Buffer.alloc(0);
/** The smallest buffer for an event that arrives in pieces: large enough for an event of the usual size. */
const MIN_PENDING_BYTES = 1024;
/**
 * A chunk is joined to the pending bytes and scanned together with them, unless the pending bytes are more than this
 * many times as long as the chunk.
 */
const JOIN_FACTOR = 4;
/** The default size limit of one event, in bytes. Some models send a whole image in one. */
const MAX_EVENT_BYTES = 8 * 1024 * 1024;

/**
 * Splits bytes into events by the rules of the HTML standard (9.2.6, "interpreting an event stream"): chunks may be cut
 * anywhere, lines end with LF, CRLF or CR, a byte order mark at the start is dropped, comments are ignored. It works on
 * bytes, so that a character cut in two needs no special care.
 */
export class SseDecoder {
  readonly #maxEventBytes: number;
  /** The bytes of an event whose blank line hasn't arrived yet. They are not scanned again. */
  #pending: Buffer = EMPTY;
  #pendingBytes = 0;
  #isAtLineStart = true;
  #isAfterCr = false;
  #isFirstEvent = true;

  constructor(options: { maxEventBytes?: number } = {}) {
    this.#maxEventBytes = options.maxEventBytes ?? MAX_EVENT_BYTES;
  }

  /**
   * The events that this chunk completes.
   * @throws EventTooLargeError if an event exceeds the limit
   */
  decode(chunk: Uint8Array): SseFrame[] {
    const frames: SseFrame[] = [];
    let bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.length === 0) return frames;
    if (this.#isAfterCr && bytes[0] === LF) {
      // The LF of a CRLF that was cut in two. Its CR has ended the line, but the bytes of the event still need it.
      if (this.#pendingBytes > 0) this.#appendPending(bytes, 0, 1);
      bytes = bytes.subarray(1);
    }
    this.#isAfterCr = chunk[chunk.byteLength - 1] === CR;

    // An event that was cut in two is copied and decoded once, together with those after it. The pieces of a large
    // event are only collected.
    let from = 0;
    if (this.#pendingBytes === this.#pending.length && this.#pendingBytes <= JOIN_FACTOR * bytes.length) {
      from = this.#pendingBytes;
      bytes = this.#withPending(bytes);
    }
    const latin1 = bytes.toString('latin1');
    const hasCr = latin1.includes('\r');
    let start = 0;
    while (start < bytes.length) {
      const end = findBoundary(latin1, Math.max(start, from), this.#isAtLineStart, hasCr);
      if (end === -1) {
        this.#appendPending(bytes, start);
        break;
      }
      this.#complete(bytes, latin1, start, end, frames);
      this.#isAtLineStart = true;
      start = end;
    }
    return frames;
  }

  /** The last event, if the stream ended without its blank line. */
  end(): SseFrame[] {
    const frames: SseFrame[] = [];
    if (this.#pendingBytes > 0) this.#complete(BLANK_LINE, '\n\n', 0, 2, frames);
    return frames;
  }

  #appendPending(bytes: Buffer, from: number, to = bytes.length): void {
    const total = this.#pendingBytes + to - from;
    if (total > this.#maxEventBytes) throw new EventTooLargeError(this.#maxEventBytes);
    if (this.#pendingBytes === 0) this.#pending = bytes.subarray(from, to);
    else if (total > this.#pending.length) {
      // Doubling keeps the cost linear for an event that arrives in a million pieces.
      const grown = Buffer.allocUnsafe(Math.max(MIN_PENDING_BYTES, total * 2));
      this.#pending.copy(grown, 0, 0, this.#pendingBytes);
      this.#pending = grown;
    }
    if (this.#pendingBytes > 0) bytes.copy(this.#pending, this.#pendingBytes, from, to);
    this.#pendingBytes = total;
    this.#isAtLineStart = isLineEnd(bytes[to - 1]);
  }

  #withPending(bytes: Buffer): Buffer {
    if (this.#pendingBytes === 0) return bytes;
    const joined = Buffer.allocUnsafe(this.#pendingBytes + bytes.length);
    this.#pending.copy(joined);
    bytes.copy(joined, this.#pendingBytes);
    this.#pending = EMPTY;
    this.#pendingBytes = 0;
    return joined;
  }

  #complete(bytes: Buffer, latin1: string, start: number, end: number, frames: SseFrame[]): void {
    if (end - start > this.#maxEventBytes) throw new EventTooLargeError(this.#maxEventBytes);
    if (this.#pendingBytes > 0) {
      this.#appendPending(bytes, start, end);
      bytes = this.#pending.subarray(0, this.#pendingBytes);
      latin1 = bytes.toString('latin1');
      start = 0;
      end = bytes.length;
      this.#pending = EMPTY;
      this.#pendingBytes = 0;
    }
    if (this.#isFirstEvent) {
      this.#isFirstEvent = false;
      if (latin1.startsWith('\xef\xbb\xbf', start)) start += 3;
    }
    addFrames(bytes, latin1, start, end, frames);
  }
}

/** The position after the next blank line, or -1. */
function findBoundary(latin1: string, from: number, isAtLineStart: boolean, hasCr: boolean): number {
  if (!hasCr) {
    if (isAtLineStart && latin1.charCodeAt(from) === LF) return from + 1;
    const found = latin1.indexOf('\n\n', from);
    return found === -1 ? -1 : found + 2;
  }
  for (let i = from; i < latin1.length; i++) {
    const code = latin1.charCodeAt(i);
    if (code !== LF && code !== CR) {
      isAtLineStart = false;
      continue;
    }
    if (code === CR && latin1.charCodeAt(i + 1) === LF) i++;
    if (isAtLineStart) return i + 1;
    isAtLineStart = true;
  }
  return -1;
}

function addFrames(bytes: Buffer, latin1: string, start: number, end: number, frames: SseFrame[]): void {
  if (end - start <= 2 && isLineEnd(latin1.charCodeAt(start))) return;
  const isComment = latin1.charCodeAt(start) === COLON;
  if (isComment && findSingleLineEnd(latin1, start, end) !== -1) return;

  if (latin1.startsWith('data:', start)) {
    const lineEnd = findSingleLineEnd(latin1, start, end);
    if (lineEnd !== -1) {
      const dataStart = start + (latin1.charCodeAt(start + 5) === 32 ? 6 : 5);
      frames.push(new SseFrame(bytes, latin1, start, end, Math.min(dataStart, lineEnd), lineEnd));
      return;
    }
  }
  for (const event of parseEvents(bytes.toString('utf8', start, end))) frames.push(SseFrame.ofEvent(event));
}

/** Where the line ends, if the event is a single line followed by its blank line; else -1. */
function findSingleLineEnd(latin1: string, start: number, end: number): number {
  let lineEnd = end;
  while (lineEnd > start && isLineEnd(latin1.charCodeAt(lineEnd - 1))) lineEnd--;
  const line = latin1.slice(start, lineEnd);
  return line.includes('\n') || line.includes('\r') ? -1 : lineEnd;
}

function isLineEnd(code: number | undefined): boolean {
  return code === LF || code === CR;
}
