import type { Priority } from '../call/context';
import { EvictionPolicy } from './eviction';
import type { PooledEntry } from './pool';

/** Limits of the wait queue. */
export interface QueueOptions {
  /** The most calls that may wait; when it is exceeded, the least dense call is shed. Default 10,000. */
  readonly maxSize: number;
  /**
   * The most bytes that the bodies of waiting calls may hold, by estimate (the lengths of their strings). When it is
   * exceeded, the least dense calls with large bodies are shed. Default 268,435,456 (256 MiB).
   */
  readonly maxBytes: number;
}

/** A call to evict, and why. */
export interface Eviction<Slot> {
  readonly entry: PooledEntry<Slot>;
  readonly reason: string;
}

/**
 * What waits in the queue, within its limits. Only calls above the average share of the bytes (`maxBytes / maxSize`) are
 * evicted for their bytes: whenever the limit is exceeded, some of these wait, and evicting small calls frees nothing.
 */
export class QueueLimits<Slot> {
  readonly #options: QueueOptions;
  readonly #all = new EvictionPolicy<Slot>('inEviction');
  readonly #large = new EvictionPolicy<Slot>('inLargeEviction');
  #bytes = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.size;
  }

  sizeOf(priority: Priority): number {
    return this.#all.sizeOf(priority);
  }

  /** The call to evict first; undefined when none waits. */
  get leastDense(): PooledEntry<Slot> | undefined {
    return this.#all.victim;
  }

  has(entry: PooledEntry<Slot>): boolean {
    return this.#all.has(entry);
  }

  add(entry: PooledEntry<Slot>): void {
    const { maxBytes, maxSize } = this.#options;
    this.#all.add(entry);
    this.#bytes += entry.bytes;
    if (entry.bytes * maxSize > maxBytes) this.#large.add(entry);
  }

  remove(entry: PooledEntry<Slot>): void {
    this.#all.remove(entry);
    this.#large.remove(entry);
    this.#bytes -= entry.bytes;
  }

  /** The next eviction that the limits require. */
  get overflow(): Eviction<Slot> | undefined {
    const { maxSize, maxBytes } = this.#options;
    if (this.size > maxSize) return eviction(this.#all.victim, `the wait queue is full (${maxSize} calls)`);
    if (this.#bytes <= maxBytes) return undefined;
    return eviction(this.#large.victim, `the bodies in the wait queue exceed ${maxBytes} bytes`);
  }

  /** Why this call could not enter; undefined when it could, evicting others if necessary. */
  reasonToRefuse(entry: PooledEntry<Slot>): string | undefined {
    const { maxSize, maxBytes } = this.#options;
    if (entry.bytes > maxBytes)
      return `the body (${entry.bytes} bytes) is larger than the wait queue may hold (${maxBytes} bytes)`;
    if (this.size < maxSize && this.#bytes + entry.bytes <= maxBytes) return undefined;
    this.add(entry);
    const { overflow } = this;
    this.remove(entry);
    return overflow?.entry === entry ? overflow.reason : undefined;
  }
}

function eviction<Slot>(entry: PooledEntry<Slot> | undefined, reason: string): Eviction<Slot> | undefined {
  return entry && { entry, reason };
}
