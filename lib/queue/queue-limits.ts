import type { Priority } from '../call/context';
import { EvictionPolicy } from './eviction';
import type { Entry } from './pool';

/** Limits of the wait queue. */
export interface QueueOptions {
  /**
   * Maximum number of waiting calls; when it is exceeded, a call of low value density is shed, from the tenant with the
   * most waiting calls. Default 10,000.
   */
  readonly maxSize: number;
  /**
   * Maximum total size of the waiting request bodies, in bytes, estimated from the lengths of their strings; when it is
   * exceeded, a call of low value density is shed from those with large bodies. Default 268,435,456 (256 MiB).
   */
  readonly maxBytes: number;
}

/** A call to evict, and why. */
export interface Eviction<Slot> {
  readonly entry: Entry<Slot>;
  readonly reason: string;
}

/**
 * The calls in the queue, and which of them are evicted when a limit is exceeded. Only calls with more than the average
 * share of the bytes (`maxBytes / maxSize`) are evicted because of `maxBytes`: evicting small calls frees little, and
 * while the bytes exceed their limit and the calls don't, at least one call has more.
 */
export class QueueLimits<Slot> {
  /** Read at every use, because a reload changes them. */
  readonly #options: QueueOptions;
  readonly #all = new EvictionPolicy<Slot>('inEviction');
  /** Calls that had more than the average share of the bytes when they were added. */
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

  /** The call that is evicted first if there are too many; undefined if none waits. */
  get victim(): Entry<Slot> | undefined {
    return this.#all.victim;
  }

  has(entry: Entry<Slot>): boolean {
    return this.#all.has(entry);
  }

  add(entry: Entry<Slot>): void {
    const { maxSize, maxBytes } = this.#options;
    this.#all.add(entry);
    this.#bytes += entry.bodyBytes;
    if (entry.bodyBytes * maxSize > maxBytes) this.#large.add(entry);
  }

  remove(entry: Entry<Slot>): void {
    this.#all.remove(entry);
    this.#large.remove(entry);
    this.#bytes -= entry.bodyBytes;
  }

  /** The next eviction that the limits require; undefined if no limit is exceeded. */
  get overflow(): Eviction<Slot> | undefined {
    const { maxSize, maxBytes } = this.#options;
    if (this.size > maxSize) return eviction(this.#all.victim, `the wait queue is full (${maxSize} calls)`);
    if (this.#bytes <= maxBytes) return undefined;
    // After a reload with lower limits, none of the waiting calls may have counted as large when it was added.
    const victim = this.#large.victim ?? this.#all.victim;
    return eviction(victim, `the wait queue is full (${maxBytes} bytes of bodies)`);
  }

  /** Why a call can't enter; undefined if it can, perhaps by evicting others. */
  reasonToRefuse(entry: Entry<Slot>): string | undefined {
    const { maxSize, maxBytes } = this.#options;
    if (entry.bodyBytes > maxBytes)
      return `the body (about ${entry.bodyBytes} bytes) is larger than all bodies in the wait queue may be (${maxBytes} bytes)`;
    if (this.size < maxSize && this.#bytes + entry.bodyBytes <= maxBytes) return undefined;
    // The evictions are tried and taken back, so that no call is evicted for one that can't enter after all: a call of
    // many bytes may need several evictions.
    this.add(entry);
    const evicted: Entry<Slot>[] = [];
    let next = this.overflow;
    for (; next !== undefined && next.entry !== entry; next = this.overflow) {
      evicted.push(next.entry);
      this.remove(next.entry);
    }
    this.remove(entry);
    for (const each of evicted) this.add(each);
    return next?.reason;
  }
}

function eviction<Slot>(entry: Entry<Slot> | undefined, reason: string): Eviction<Slot> | undefined {
  return entry && { entry, reason };
}
