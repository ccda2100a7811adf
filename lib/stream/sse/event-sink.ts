export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // no-transform keeps compression() and proxies from holding events back until a block is full.
  'cache-control': 'no-cache, no-transform',
} as const;

/** Where the events of a stream are written: an HTTP response, or the response of a fetch in the same process. */
export interface EventSink {
  /** Whether the reader has left or the response has ended. Writing then does nothing. */
  readonly isClosed: boolean;
  /** Whether the status has been sent, so that an error can only be sent as an event. */
  readonly headersSent: boolean;
  /** Calls back when the reader leaves; at once if it has left. */
  onceClosed(callback: () => void): void;
  /** Sends the status 200 and the headers at once. */
  open(headers: Readonly<Record<string, string>>): void;
  /**
   * Writes data. Returns undefined if more can be written at once, else a promise that resolves when the reader has
   * caught up or left.
   */
  write(data: Uint8Array | string): Promise<void> | undefined;
  /** Ends the response after `data`. */
  end(data: string): void;
  /** Answers with JSON instead of events, if no headers have been sent. */
  sendJson(status: number, headers: Readonly<Record<string, string>>, body: unknown): void;
  /** Breaks off the response to a reader that takes nothing. */
  destroy(): void;
}
