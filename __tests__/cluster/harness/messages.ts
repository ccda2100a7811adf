import type { BalancerConfig, BalancerStats } from 'express-ai-balancer';

/** A balancer's configuration as JSON, for a process of its own. */
export type MemberConfig = Pick<BalancerConfig, 'endpoints'> &
  Partial<BalancerConfig> & {
    readonly cluster?: {
      readonly redis: string;
      readonly prefix?: string;
      readonly onOutage?: 'local-share' | 'open' | 'closed';
    };
  };

/** What a member is to do: `perSecond` calls, evenly spaced whatever becomes of them, or `callers` at once, each with one call after another. */
export type Load = {
  /** No call starts later. The load ends with the last of its calls. */
  readonly forMs: number;
  /** What a call takes from the quota: exactly these, estimated and real. Default 60 and 40. */
  readonly tokens?: { readonly prompt: number; readonly output: number };
  /** Default 'gpt-4o'. */
  readonly model?: string;
  /** Default: the balancer's. */
  readonly timeoutMs?: number;
  readonly priority?: 1 | 2 | 3 | 4 | 5;
} & ({ readonly perSecond: number } | { readonly callers: number });

/** How one call of a load ended. Times are those of the machine's wall clock, as the provider's. */
export interface Outcome {
  /** The number of its load: several may run in one process. */
  readonly load: number;
  readonly startedAt: number;
  /** On the monotonic clock. */
  readonly ms: number;
  /** Absent: it was answered. */
  readonly code?: string;
  /** In the balancer's queue. */
  readonly waitMs: number;
  readonly attempts: number;
}

/** An event of the member's balancer, and when it came. */
export interface MemberEvent {
  readonly name: string;
  readonly at: number;
  readonly event: unknown;
}

/** What a process has used of the CPU since its start, in milliseconds. */
export interface CpuTime {
  readonly usedMs: number;
  /** How long it has lived. */
  readonly uptimeMs: number;
}

export interface Answers {
  start: undefined;
  load: number;
  stats: BalancerStats;
  cpu: CpuTime;
  reload: undefined;
  close: undefined;
}

export type Command =
  | { readonly do: 'start' | 'reload'; readonly config: MemberConfig }
  | { readonly do: 'load'; readonly load: Load }
  | { readonly do: 'stats' | 'cpu' | 'close' };

export type NumberedCommand = Command & { readonly id: number };

/** What a member sends: an answer to a question, calls that ended since the last report, or an event. */
export type Report =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly startedCalls: number; readonly outcomes: readonly Outcome[] }
  | { readonly seen: MemberEvent }
  /** It listens. What is sent to a worker of node:cluster before that may be lost. */
  | { readonly hello: true };
