import type { BudgetEvent } from '../budget/budget';
import type { Operation } from '../call/body';
import type { Priority, RequestType } from '../call/context';
import type { CanaryEvent } from '../canary/options';
import type { ClusterMode } from '../cluster/options';
import type { EndpointState } from '../endpoint/unavailable-reason';
import type { AiBalancerErrorCode } from '../errors';
import type { FailureClass } from '../failure/classes';
import type { AttemptReport, RouteReport } from '../route-report';
import type { ShadowEvent } from '../shadow/options';

/** A call ended, with an answer or with an error. A stream's call ends with its stream. */
export interface CallEvent {
  /** Id of the request, as in the route report. Several calls of one request share it. */
  readonly requestId: string;
  /** The API operation of the call. */
  readonly operation: Operation;
  /** Whether the answer was streamed. */
  readonly stream: boolean;
  /** Name of the endpoint that served the call, or was serving it when it failed; empty if none did. */
  readonly endpoint: string;
  /** Provider of that endpoint; empty without one. */
  readonly provider: string;
  /** Model of that endpoint; empty without one. */
  readonly model: string;
  /** The requested model or alias; absent if the router could choose. */
  readonly requestedModel?: string;
  /** The tenant of the call; absent without one. */
  readonly tenant?: string;
  /** The request type of the call, such as 'chat' or 'code'. */
  readonly type: RequestType;
  /** Priority of the call, 1 to 5. */
  readonly priority: Priority;
  /** When the call began, in Unix milliseconds. */
  readonly startedAt: number;
  /** The tokens that the call was estimated to need when it began. */
  readonly estimatedTokens: {
    /** Tokens of the prompt. */
    readonly input: number;
    /** Tokens of the output. */
    readonly output: number;
  };
  /** The caller's limit on output tokens, for all choices together; absent without one. */
  readonly maxTokens?: number;
  /** Milliseconds from the call's start to its deadline; absent for a stream without a deadline. */
  readonly deadlineMs?: number;
  /** The tags that an endpoint must have; absent without any. */
  readonly tags?: readonly string[];
  /** The lowest accepted quality of the model; absent without one. */
  readonly minQuality?: number;
  /** The highest accepted price in US dollars per 1,000 tokens; absent without one. */
  readonly maxCostPer1k?: number;
  /**
   * Tokens of the attempt whose answer was returned, as reported by the upstream or estimated; absent if it used none.
   */
  readonly tokens?: {
    /** Tokens of the prompt. */
    readonly input: number;
    /** Tokens of the output. */
    readonly output: number;
  };
  /** Price of these tokens in US dollars; absent if the endpoint has no price or no tokens were used. */
  readonly costUsd?: number;
  /** Tokens used by attempts whose answer was not returned, as reported or estimated. */
  readonly wastedTokens: number;
  /** Price of the wasted tokens in US dollars; tokens of endpoints without a price count as 0. */
  readonly wastedUsd: number;
  /** Milliseconds that the call spent in the wait queue. */
  readonly waitMs: number;
  /**
   * Milliseconds from the start of the call to the first content of its stream; absent if the answer was not streamed.
   */
  readonly firstTokenMs?: number;
  /** Duration of the call in milliseconds. */
  readonly ms: number;
  /** Number of attempts. */
  readonly attempts: number;
  /** Code of the error; absent on success, and if a function of the app threw an error of its own. */
  readonly code?: AiBalancerErrorCode;
  /** Whether the call failed. */
  readonly failed: boolean;
  /** How the call was served, or how far it got; absent if it failed before it was admitted. */
  readonly route?: RouteReport;
}

/**
 * An attempt ended: with an answer, with the first content of a stream, or with a failure. An attempt whose stream breaks
 * after its first content is reported once more, with `brokeOff`.
 */
export interface AttemptEvent extends AttemptReport {
  /** Id of the request, as in the route report. */
  readonly requestId: string;
  /** Provider of the endpoint. */
  readonly provider: string;
  /**
   * True if the attempt's stream broke off after its first content, with which the attempt had already been reported as
   * served.
   */
  readonly brokeOff?: true;
}

/** A breaker opened, half-opened or closed, or an endpoint was disabled. */
export interface BreakerEvent {
  /** Name of the endpoint. */
  readonly endpoint: string;
  /** The new state of the endpoint. */
  readonly state: EndpointState;
  /** Why the endpoint takes no calls, in words for an operator; absent if it takes calls. */
  readonly reason?: string;
}

/** An endpoint, or every endpoint of its quota group, takes no calls for `cooldownMs` milliseconds. */
export interface CooldownEvent {
  /** Name of the endpoint. */
  readonly endpoint: string;
  /** Class of the failure that led to the cooldown. */
  readonly class: FailureClass;
  /** HTTP status of the failure, if an answer arrived. */
  readonly status?: number;
  /** Error code of the socket or of the upstream's error body. */
  readonly code?: string;
  /** The upstream's message, at most 300 characters, with every configured secret replaced. */
  readonly message?: string;
  /** Length of the cooldown in milliseconds. */
  readonly cooldownMs: number;
}

/** What is left of an endpoint's quota. */
export interface QuotaLevels {
  /** Requests left; absent without a limit, negative if more were used than the quota held. */
  readonly requests?: number;
  /** Tokens left; absent without a limit, negative if more were used than the quota held. */
  readonly tokens?: number;
}

/**
 * The rate limit headers of an answer have corrected what is left of a quota, because of external usage of its key or
 * because the real limit differs from the configured one.
 */
export interface QuotaEvent {
  /** Name of the endpoint that answered. */
  readonly endpoint: string;
  /** What was left according to the balancer's own count. */
  readonly before: QuotaLevels;
  /** What is left according to the headers. */
  readonly after: QuotaLevels;
}

/** The wait queue grew, or shed a call. */
export type QueueEvent =
  | {
      /** The queue has reached 1, 10, 100, 1,000, ... calls for the first time since it was last empty. */
      readonly change: 'growing';
      /** Number of waiting calls. */
      readonly size: number;
    }
  | {
      /** A call was refused or evicted, because it could not be served in time or the queue was full. */
      readonly change: 'shed';
      /** Number of calls that are still waiting. */
      readonly size: number;
      /** Priority of the call. */
      readonly priority: Priority;
      /** Tenant of the call; absent without one. */
      readonly tenant?: string;
      /** When such a call could start, in milliseconds from now; absent if it is not known. */
      readonly retryAfterMs?: number;
    };

/**
 * A hedge has ended: a slow call was sent to a second endpoint, and one of the attempts has won or both have failed.
 */
export interface HedgeEvent {
  /** Id of the request, as in the route report. */
  readonly requestId: string;
  /** Name of the endpoint that took too long. */
  readonly late: string;
  /** Name of the endpoint of the second attempt. */
  readonly endpoint: string;
  /** Whether the second attempt won. */
  readonly won: boolean;
}

/** A stream broke off, and another endpoint starts the answer again from the beginning. */
export interface RestartEvent {
  /** Id of the request, as in the route report. */
  readonly requestId: string;
  /** Name of the endpoint that starts the answer again. */
  readonly endpoint: string;
}

/** The way in which processes share quotas changed. */
export interface ClusterEvent {
  /** How processes share quotas now. */
  readonly mode: ClusterMode;
  /** Number of processes last seen, including this one. */
  readonly members: number;
}

/** The Redis store of a rate limit guard became unavailable (each process then counts on its own) or available again. */
export interface StoreEvent {
  /** Name of the guard. */
  readonly guard: string;
  /** Whether the store is unavailable. */
  readonly isDown: boolean;
}

/** The events of a balancer, by name. No event contains a key or a prompt. An event without listeners is not built. */
export interface BalancerEvents {
  /** See {@link CallEvent}. */
  call: [CallEvent];
  /** See {@link AttemptEvent}. */
  attempt: [AttemptEvent];
  /** See {@link BreakerEvent}. */
  breaker: [BreakerEvent];
  /** See {@link CooldownEvent}. */
  cooldown: [CooldownEvent];
  /** See {@link QuotaEvent}. */
  quota: [QuotaEvent];
  /** See {@link BudgetEvent}. */
  budget: [BudgetEvent];
  /** See {@link CanaryEvent}. */
  canary: [CanaryEvent];
  /** See {@link ShadowEvent}. */
  shadow: [ShadowEvent];
  /** See {@link QueueEvent}. */
  queue: [QueueEvent];
  /** See {@link HedgeEvent}. */
  hedge: [HedgeEvent];
  /** See {@link RestartEvent}. */
  restart: [RestartEvent];
  /** See {@link ClusterEvent}. */
  cluster: [ClusterEvent];
  /** See {@link StoreEvent}. */
  store: [StoreEvent];
}
