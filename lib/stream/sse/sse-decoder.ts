import { createParser } from 'eventsource-parser';
import { EventTooLargeError } from '../stream-errors';

/** One event of a server-sent event stream. */
export interface SseEvent {
  readonly event?: string;
  readonly data: string;
}

const LF = 10;
const CR = 13;
const BLANK_LINE = Buffer.from('\n\n');
const EMPTY = Buffer.alloc(0);
/** Room for an event of the usual size, so that its second half finds its place. */
const MIN_PENDING_BYTES = 1024;
/** A chunk is joined to what is held before it where that is no more than so many times as long. */
const JOIN_FACTOR = 4;
/** The default limit of one event: some models send whole images in one. */
export const MAX_EVENT_BYTES = 8 * 1024 * 1024;

/**
 * One event with its bytes. An event that is a single `data:` line, nearly all of them are, is a window on the chunk
 * it arrived in: nothing is copied or decoded until it is asked for. Any other was read by eventsource-parser and its
 * bytes are written anew, without comments, ids and retry times.
 */
export class SseFrame implements SseEvent {
  readonly event?: string;
  readonly #data: string | undefined;
  readonly #start: number;
  readonly #end: number;

  private constructor(
    /** The chunk that the frame is in. */
    readonly bytes: Buffer,
    /** The same chunk, a character a byte, so that positions in one are positions in the other. */
    readonly latin1: string,
    start: number,
    end: number,
    /** Where the data begins and ends in the chunk; meaningless unless `single`. */
    readonly dataStart: number,
    readonly dataEnd: number,
    parsed?: SseEvent,
  ) {
    this.#start = start;
    this.#end = end;
    this.#data = parsed?.data;
    if (parsed?.event !== undefined) this.event = parsed.event;
  }

  static ofLine(
    bytes: Buffer,
    latin1: string,
    start: number,
    end: number,
    dataStart: number,
    dataEnd: number,
  ): SseFrame {
    return new SseFrame(bytes, latin1, start, end, dataStart, dataEnd);
  }

  static ofParsed(parsed: SseEvent): SseFrame {
    const name = parsed.event === undefined ? '' : `event: ${parsed.event}\n`;
    const bytes = Buffer.from(`${name}data: ${parsed.data.replaceAll('\n', '\ndata: ')}\n\n`);
    return new SseFrame(bytes, '', 0, bytes.length, 0, 0, parsed);
  }

  /** True for a single `data:` line whose bytes are in `latin1` from `dataStart` to `dataEnd`. */
  get isSingleLine(): boolean {
    return this.#data === undefined;
  }

  get data(): string {
    return this.#data ?? this.bytes.toString('utf8', this.dataStart, this.dataEnd);
  }

  /** The bytes of the event, its blank line included. */
  get raw(): Uint8Array {
    return this.bytes.subarray(this.#start, this.#end);
  }
}

/**
 * Splits bytes into events by the rules of the HTML standard (server-sent events, "parsing an event stream") as
 * eventsource-parser applies them: chunks may be cut anywhere, lines end with LF, CRLF or CR, a byte order mark at
 * the start is dropped, comments are no events. It works on bytes, so that a character cut in two needs no care.
 */
export class SseDecoder {
  readonly #maxEventBytes: number;
  /** What has arrived of an event whose blank line has not. Its bytes are not scanned again. */
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
   * @throws EventTooLargeError
   */
  decode(chunk: Uint8Array): SseFrame[] {
    const frames: SseFrame[] = [];
    let bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.length === 0) return frames;
    if (this.#isAfterCr && bytes[0] === LF) {
      // The LF of a CRLF cut in two: its CR has ended the line already. The bytes of the event still need it.
      if (this.#pendingBytes > 0) this.#appendPending(bytes, 0, 1);
      bytes = bytes.subarray(1);
    }
    this.#isAfterCr = chunk[chunk.byteLength - 1] === CR;

    // One copy and one decoding for the event cut in two and all that follow it; pieces of a large one are gathered.
    let from = 0;
    if (this.#pendingBytes === this.#pending.length && this.#pendingBytes <= JOIN_FACTOR * bytes.length) {
      from = this.#pendingBytes;
      bytes = this.#joined(bytes);
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

  /** The last event, where the stream ended without its blank line. */
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
      // Doubled, so that an event in a million pieces is not copied a million times.
      const grown = Buffer.allocUnsafe(Math.max(MIN_PENDING_BYTES, total * 2));
      this.#pending.copy(grown, 0, 0, this.#pendingBytes);
      this.#pending = grown;
    }
    if (this.#pendingBytes > 0) bytes.copy(this.#pending, this.#pendingBytes, from, to);
    this.#pendingBytes = total;
    this.#isAtLineStart = isLineEnd(bytes[to - 1]);
  }

  #joined(bytes: Buffer): Buffer {
    if (this.#pendingBytes === 0) return bytes;
    const joinPending = Buffer.allocUnsafe(this.#pendingBytes + bytes.length);
    this.#pending.copy(joinPending);
    bytes.copy(joinPending, this.#pendingBytes);
    this.#pending = EMPTY;
    this.#pendingBytes = 0;
    return joinPending;
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
    const frame = toFrame(bytes, latin1, start, end);
    if (frame) frames.push(frame);
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

function toFrame(bytes: Buffer, latin1: string, start: number, end: number): SseFrame | undefined {
  if (end - start <= 2 && isLineEnd(latin1.charCodeAt(start))) return undefined;

  if (latin1.startsWith('data:', start)) {
    const lineEnd = findSingleLineEnd(latin1, start, end);
    if (lineEnd !== -1) {
      const dataStart = start + (latin1.charCodeAt(start + 5) === 32 ? 6 : 5);
      return SseFrame.ofLine(bytes, latin1, start, end, Math.min(dataStart, lineEnd), lineEnd);
    }
  }
  const parsed = parse(bytes.toString('utf8', start, end));
  return parsed && SseFrame.ofParsed(parsed);
}

/** Where the line ends, if the event is one line and its blank line; else -1. */
function findSingleLineEnd(latin1: string, start: number, end: number): number {
  let lineEnd = end;
  while (lineEnd > start && isLineEnd(latin1.charCodeAt(lineEnd - 1))) lineEnd--;
  const line = latin1.slice(start, lineEnd);
  return line.includes('\n') || line.includes('\r') ? -1 : lineEnd;
}

function isLineEnd(code: number | undefined): boolean {
  return code === LF || code === CR;
}

function parse(text: string): SseEvent | undefined {
  let parsed: SseEvent | undefined;
  const parser = createParser({
    onEvent: ({ event, data }) => (parsed = event === undefined ? { data } : { event, data }),
  });
  parser.feed(text.replace(/\r\n?/g, '\n'));
  return parsed;
}
