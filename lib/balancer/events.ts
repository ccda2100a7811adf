import type { Priority } from '../call/context';
import type { ClusterMode } from '../cluster/options';
import type { EndpointState } from '../endpoint/endpoint';
import type { AiBalancerErrorCode } from '../errors';
import type { FailureClass } from '../failure/classes';
import type { RouteReport } from '../route-report';

/** The events of a balancer, by name. No event holds a key or a prompt. */
export interface BalancerEvents {
  /** A call ended, with an answer or with an error. */
  call: [
    {
      /** Id of the call, as in its route report. */
      readonly requestId: string;
      /** What was called. */
      readonly operation: 'chat' | 'embeddings';
      /** Priority of the call. */
      readonly priority: Priority;
      /** Duration in milliseconds. */
      readonly ms: number;
      /** Code of the error; absent on success. */
      readonly code?: AiBalancerErrorCode;
      /** How the call was served, or how far it got; absent if it was refused before its first attempt. */
      readonly route?: RouteReport;
    },
  ];
  /** An attempt ended: with an answer, with the first content of a stream, or with a failure. */
  attempt: [
    {
      /** Id of the call, as in its route report. */
      readonly requestId: string;
      /** Name of the endpoint. */
      readonly endpoint: string;
      /** Model of the endpoint. */
      readonly model: string;
      /** Class of the failure; absent on success. */
      readonly class?: FailureClass;
      /** HTTP status of the failure, if an answer arrived. */
      readonly status?: number;
    },
  ];
  /** A breaker opened, half-opened or closed, or an endpoint was disabled. */
  breaker: [
    {
      /** Name of the endpoint. */
      readonly endpoint: string;
      /** Its new state. */
      readonly state: EndpointState;
    },
  ];
  /** An endpoint, or every endpoint of its quota group, takes no calls for `cooldownMs` milliseconds. */
  cooldown: [
    {
      /** Name of the endpoint. */
      readonly endpoint: string;
      /** The failure that led to it. */
      readonly class: FailureClass;
      /** Length of the cooldown in milliseconds. */
      readonly cooldownMs: number;
    },
  ];
  /** The way quotas are shared changed. */
  cluster: [
    {
      /** How quotas are shared now. */
      readonly mode: ClusterMode;
      /** Number of processes last seen, including this one. */
      readonly members: number;
    },
  ];
  /** The Redis store of a rate limit guard became unavailable (each process then counts on its own) or available again. */
  store: [
    {
      /** Name of the guard. */
      readonly guard: string;
      /** Whether the store is unavailable. */
      readonly isDown: boolean;
    },
  ];
}
