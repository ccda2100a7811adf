import type { Client } from './redis-client';

/** The cluster's Redis, for what is counted in it beside the quotas. */
export interface SharedStore {
  /** What every key begins with. */
  readonly prefix: string;
  /** 'idle' until Redis has first answered or failed, and after the end: then there is nothing to be asked or told. */
  readonly state: 'idle' | 'up' | 'down';
  /**
   * A call may wait for it: it rejects at once while Redis is away, and when it is taken to be away meanwhile, which a
   * late answer is a reason for. An error as an answer is the asker's own.
   */
  run<T>(command: (client: Client) => Promise<T>): Promise<T>;
}
