import { EVENT_STREAM_HEADERS, type EventSink } from '../stream/sse/event-sink';

/** How far the reader of a response may fall behind before reading from the upstream pauses, in bytes. */
const BUFFERED_BYTES = 16 * 1_024;

type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'streaming'; readonly controller: ReadableStreamDefaultController<Uint8Array> }
  | { readonly kind: 'ended' };

/** Writes server-sent events to the body of a Response in the same process, with back pressure. */
export class FetchEvents implements EventSink {
  readonly #respond: (response: Response) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #headers: Headers;
  readonly #onAbort = (): void => this.#break(this.#signal?.reason);
  readonly #closeCallbacks: (() => void)[] = [];
  #state: State = { kind: 'waiting' };
  #onDrain: (() => void) | undefined;

  /** @param respond Receives the response once its status is known. */
  constructor(headers: Headers, signal: AbortSignal | undefined, respond: (response: Response) => void) {
    this.#headers = headers;
    this.#respond = respond;
    this.#signal = signal;
    if (signal?.aborted) this.#state = { kind: 'ended' };
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get isClosed(): boolean {
    return this.#state.kind === 'ended';
  }

  get headersSent(): boolean {
    return this.#state.kind !== 'waiting';
  }

  onceClosed(callback: () => void): void {
    if (this.isClosed) callback();
    else this.#closeCallbacks.push(callback);
  }

  open(headers: Readonly<Record<string, string>>): void {
    if (this.#state.kind !== 'waiting') return;
    for (const [name, value] of Object.entries({ ...headers, ...EVENT_STREAM_HEADERS }))
      this.#headers.set(name, value);
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#state = { kind: 'streaming', controller };
        },
        pull: () => this.#drained(),
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: BUFFERED_BYTES }),
    );
    this.#respond(new Response(body, { status: 200, headers: this.#headers }));
  }

  write(data: Uint8Array | string): Promise<void> | undefined {
    if (this.#state.kind !== 'streaming') return undefined;
    const { controller } = this.#state;
    controller.enqueue(typeof data === 'string' ? Buffer.from(data) : data);
    if ((controller.desiredSize ?? 0) > 0) return undefined;
    return new Promise((resolve) => {
      this.#onDrain = resolve;
    });
  }

  end(data?: string): void {
    if (this.#state.kind !== 'streaming') return;
    const { controller } = this.#state;
    if (data !== undefined) controller.enqueue(Buffer.from(data));
    controller.close();
    this.#close();
  }

  sendJson(status: number, headers: Readonly<Record<string, string>>, body: unknown): void {
    if (this.#state.kind !== 'waiting') return;
    for (const [name, value] of Object.entries(headers)) this.#headers.set(name, value);
    this.#respond(jsonResponse(status, this.#headers, body));
    this.#close();
  }

  destroy(): void {
    this.#break(new TypeError('terminated'));
  }

  /** Makes the body fail, like that of a fetch whose connection has broken. */
  #break(reason: unknown): void {
    if (this.#state.kind === 'streaming') this.#state.controller.error(reason);
    this.#close();
  }

  #close(): void {
    if (this.#state.kind === 'ended') return;
    this.#state = { kind: 'ended' };
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#drained();
    for (const callback of this.#closeCallbacks.splice(0)) callback();
  }

  #drained(): void {
    this.#onDrain?.();
    this.#onDrain = undefined;
  }
}

export function jsonResponse(status: number, headers: Headers, body: unknown): Response {
  headers.set('content-type', 'application/json; charset=utf-8');
  return new Response(JSON.stringify(body), { status, headers });
}
