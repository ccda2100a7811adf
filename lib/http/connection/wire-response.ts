import type { CallSignal } from '../../call/call-signal';
import type { HttpHeaders } from '../../provider/dialect';
import { canceled, toSocketError } from './wire-errors';

/** Unread bytes of a response beyond which its connection is paused. */
const MAX_UNREAD_BYTES = 64 * 1024;

/** A request as it is sent. */
export interface WireRequest {
  readonly method: string;
  /** Path and query of the URL. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /** Longest time without any byte of the response, in milliseconds; 0 for no limit. */
  readonly idleTimeoutMs: number;
}

/** What a response needs of the connection that carries it. */
export interface Carrier {
  /** Whether the connection has served a request before, so that it may have gone stale. */
  readonly isReused: boolean;
  /** Ends the request with this error. */
  abort(error: Error): void;
  pause(): void;
  resume(): void;
}

type ResponseState =
  /** The headers have not arrived. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'receiving' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'failed'; readonly error: Error };

const RESOLVED = Promise.resolve();
const WAITING: ResponseState = { kind: 'waiting' };
const RECEIVING: ResponseState = { kind: 'receiving' };
const COMPLETE: ResponseState = { kind: 'complete' };
const END: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/**
 * The response to one request, for one reader. The connection delivers the parts of the response; the reader gets all
 * bytes that arrived in one turn of the event loop at once.
 */
export class WireResponse implements AsyncIterableIterator<Uint8Array, undefined> {
  status = 0;
  statusText = '';
  headers: HttpHeaders = {};
  /** Resolves when the headers have arrived. */
  readonly opened: Promise<this>;
  /** Whether the request failed before any response headers, on a connection that had served a request before. */
  hasFailedOnReused = false;
  readonly #signal: CallSignal | undefined;
  #carrier: Carrier | undefined;
  #state = WAITING;
  #opener: Waiter<this> | undefined;
  #reader: Waiter<IteratorResult<Uint8Array, undefined>> | undefined;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #isPaused = false;

  /** @param signal Aborts the request, and later the response. */
  constructor(signal?: CallSignal) {
    this.#signal = signal;
    this.opened = new Promise((resolve, reject) => {
      this.#opener = { resolve, reject };
    });
    if (signal?.aborted) this.#fail(canceled());
    else signal?.addEventListener('abort', this);
  }

  get isOver(): boolean {
    return this.#state.kind === 'complete' || this.#state.kind === 'failed';
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#unreadBytes > 0) return Promise.resolve(this.#take());
    const state = this.#state;
    if (state.kind === 'complete') return Promise.resolve(END);
    if (state.kind === 'failed') return Promise.reject(state.error);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** Ends the response at once, even while a read is pending. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.destroy();
    return Promise.resolve(END);
  }

  destroy(): void {
    this.#unread = [];
    this.#unreadBytes = 0;
    if (!this.isOver) this.handleEvent();
  }

  /** Called when the signal aborts. */
  handleEvent(): void {
    const error = canceled();
    const carrier = this.#carrier;
    this.#fail(error);
    carrier?.abort(error);
  }

  // The connection calls these methods.

  onSent(carrier: Carrier): void {
    const state = this.#state;
    if (state.kind === 'failed') carrier.abort(state.error);
    else this.#carrier = carrier;
  }

  onHeaders(status: number, headers: HttpHeaders, statusText: string): void {
    // 1xx: the response itself follows.
    if (status < 200 || this.#state.kind !== 'waiting') return;
    this.status = status;
    this.statusText = statusText;
    this.headers = headers;
    this.#state = RECEIVING;
    this.#opener?.resolve(this);
    this.#opener = undefined;
  }

  onData(chunk: Uint8Array): void {
    // A parser that resumes after a pause may first deliver an empty chunk.
    if (this.#state.kind !== 'receiving' || chunk.byteLength === 0) return;
    this.#unread.push(chunk);
    this.#unreadBytes += chunk.byteLength;
    if (this.#reader && this.#unread.length === 1) void RESOLVED.then(this.#deliver);
    if (this.#unreadBytes > MAX_UNREAD_BYTES && !this.#isPaused) {
      this.#isPaused = true;
      this.#carrier?.pause();
    }
  }

  onEnd(): void {
    if (this.isOver) return;
    this.#settle(COMPLETE);
    if (this.#unreadBytes > 0) return;
    this.#reader?.resolve(END);
    this.#reader = undefined;
  }

  onError(error: Error): void {
    if (this.isOver) return;
    const hasHeaders = this.#state.kind === 'receiving';
    this.hasFailedOnReused = !hasHeaders && this.#carrier?.isReused === true;
    this.#fail(toSocketError(error, hasHeaders));
  }

  // Runs once the connection has handed over everything that arrived together.
  readonly #deliver = (): void => {
    const reader = this.#reader;
    if (!reader || this.#unreadBytes === 0) return;
    this.#reader = undefined;
    reader.resolve(this.#take());
  };

  #take(): IteratorResult<Uint8Array, undefined> {
    const chunks = this.#unread;
    const value = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, this.#unreadBytes);
    this.#unread = [];
    this.#unreadBytes = 0;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#carrier?.resume();
    }
    return { done: false, value };
  }

  /** Fails the response. What arrived before the failure is still delivered. */
  #fail(error: Error): void {
    if (this.isOver) return;
    this.#settle({ kind: 'failed', error });
    this.#opener?.reject(error);
    this.#opener = undefined;
    if (this.#unreadBytes > 0) return;
    this.#reader?.reject(error);
    this.#reader = undefined;
  }

  #settle(state: ResponseState): void {
    this.#state = state;
    this.#carrier = undefined;
    this.#signal?.removeEventListener('abort', this);
  }
}
