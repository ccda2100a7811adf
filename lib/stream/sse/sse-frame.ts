import { StreamFailure } from '../stream-errors';

/** One event of a server-sent event stream. */
export interface SseEvent {
  /** The event's name; undefined if it has none. */
  readonly event?: string;
  /** The values of its `data` lines, joined with line breaks. */
  readonly data: string;
}

/** An event whose data is JSON. */
export interface JsonEvent extends SseEvent {
  /** The parsed data. */
  readonly json: unknown;
}

/**
 * One event with its bytes. An event that is a single `data:` line, as nearly all are, is a window on the chunk it
 * arrived in: nothing is copied or decoded until it is read. Any other event is parsed at once, and its bytes are
 * written again without comments, ids and retry times.
 */
export class SseFrame implements SseEvent {
  readonly event?: string;
  readonly #data: string | undefined;
  readonly #start: number;
  readonly #end: number;

  /** Creates the frame of an event that is a single `data:` line; if `parsed` is given, of any other event. */
  constructor(
    /** The chunk that holds the frame. */
    readonly bytes: Buffer,
    /** The same chunk with one character per byte, so that positions in one are positions in the other. */
    readonly latin1: string,
    start: number,
    end: number,
    /** Where the data begins and ends in the chunk. Meaningless unless `isSingleLine`. */
    readonly dataStart: number,
    readonly dataEnd: number,
    parsed?: SseEvent,
  ) {
    this.#start = start;
    this.#end = end;
    this.#data = parsed?.data;
    if (parsed?.event !== undefined) this.event = parsed.event;
  }

  static ofEvent(event: SseEvent): SseFrame {
    const name = event.event === undefined ? '' : `event: ${event.event}\n`;
    const bytes = Buffer.from(`${name}data: ${event.data.replaceAll('\n', '\ndata: ')}\n\n`);
    return new SseFrame(bytes, '', 0, bytes.length, 0, 0, event);
  }

  /** Whether the event is a single `data:` line, whose value is in `latin1` from `dataStart` to `dataEnd`. */
  get isSingleLine(): boolean {
    return this.#data === undefined;
  }

  get data(): string {
    return this.#data ?? this.bytes.toString('utf8', this.dataStart, this.dataEnd);
  }

  /** The bytes of the event, with its blank line. */
  get raw(): Uint8Array {
    return this.bytes.subarray(this.#start, this.#end);
  }
}

/** Limit on the lines of one event. Even an answer that is sent as one event with a line per token has fewer. */
const MAX_LINES = 65_536;
/** The most lines of an event that are tried as JSON, because a failed JSON.parse is slow. */
const MAX_TRIED_LINES = 16;

/**
 * Parses the lines of one event, as the HTML standard says (9.2.6, "interpreting an event stream"), without `id` and
 * `retry`; empty if it has no `data` line. Some servers end events with a single line break, so that several arrive as
 * one: if the data is not JSON, and a line of it is a JSON object by itself, each line is an event.
 *
 * @throws StreamFailure if it has too many lines
 */
export function parseEvents(text: string): SseEvent[] {
  const data: string[] = [];
  let name = '';
  const lines = text.split(/\r\n?|\n/, MAX_LINES + 1);
  if (lines.length > MAX_LINES)
    throw new StreamFailure(`One event of the stream has more than ${MAX_LINES} lines.`);
  for (const line of lines) {
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    if (field !== 'data' && field !== 'event') continue;
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') data.push(value);
    else name = value;
  }
  if (data.length === 0) return [];
  const events = data.length > 1 && isEventPerLine(data) ? data : [data.join('\n')];
  return events.map((data) => (name === '' ? { data } : { event: name, data }));
}

function isEventPerLine(lines: readonly string[]): boolean {
  const objects = lines.filter((line) => line.trimStart().startsWith('{')).slice(0, MAX_TRIED_LINES);
  return objects.some(isJson) && !isJson(lines.join('\n'));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
