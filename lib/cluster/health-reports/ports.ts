/** Text messages to every process of the cluster, this one included or not; best effort: late, lost, repeated, from strangers. */
export interface PubSubChannel {
  /** Never throws, never waits; dropped while Redis is away. */
  publish(text: string): void;
  subscribe(onMessage: (text: string) => void): void;
  /** Milliseconds on Redis's clock; undefined while unknown. */
  now(): number | undefined;
  /** This process's id: random, short. */
  readonly id: string;
}

/** A claim that one process of the cluster holds at a time. */
export interface DistributedLock {
  /**
   * 'taken' by another; 'unknown' while Redis is away: then each process acts for itself. Never rejects; answers within
   * some 50 ms. It expires after `holdMs`, should its holder die.
   */
  acquire(name: string, ttlMs: number): Promise<'granted' | 'taken' | 'unknown'>;
  /** Gives back what this process holds; nothing happens where it holds nothing. */
  release(name: string): void;
}
