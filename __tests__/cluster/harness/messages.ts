import type { BalancerConfig, BalancerStats } from 'express-ai-balancer';

/** A balancer's configuration, as it is sent to a member. */
export type MemberConfig = Pick<BalancerConfig, 'endpoints'> &
  Partial<BalancerConfig> & {
    readonly cluster?: {
      readonly redis: string;
      readonly prefix?: string;
      readonly onOutage?: 'local-share' | 'open' | 'closed';
    };
  };

/** The calls that a member makes: `perSecond`, evenly spaced, or `callers` in parallel, each with one call after another. */
export type Load = {
  /** No call starts after this time. The load ends with the last of its calls. */
  readonly forMs: number;
  /** The tokens of each call, estimated and used. Default 60 and 40. */
  readonly tokens?: { readonly prompt: number; readonly output: number };
  /** Default 'gpt-4o'. */
  readonly model?: string;
  /** Default: the balancer's. */
  readonly timeoutMs?: number;
  readonly priority?: 1 | 2 | 3 | 4 | 5;
  readonly tenant?: string;
} & ({ readonly perSecond: number } | { readonly callers: number });

/** How one call of a load ended. Times are on the machine's wall clock, like the provider's. */
export interface Outcome {
  /** The number of its load. Several may run at the same time. */
  readonly load: number;
  readonly startedAt: number;
  /** On the monotonic clock. */
  readonly ms: number;
  /** The error's code; undefined if the call was answered. */
  readonly code?: string;
  /** In the balancer's queue. */
  readonly waitMs: number;
  readonly attempts: number;
}

/** An event of the member's balancer. */
export interface MemberEvent {
  readonly name: string;
  readonly at: number;
  readonly event: unknown;
}

/** The CPU time of a process since its start, in milliseconds. */
export interface CpuTime {
  readonly usedMs: number;
  /** Time since its start. */
  readonly uptimeMs: number;
  /** The longest time that its event loop was late since its first load began. */
  readonly lateMs: number;
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

/** What a member sends: a reply to a command, the calls that have ended since the last report, or an event. */
export type Report =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly startedCalls: number; readonly outcomes: readonly Outcome[] }
  | { readonly seen: MemberEvent }
  /** It is listening. Messages that are sent to a worker of node:cluster before that may be lost. */
  | { readonly hello: true };
