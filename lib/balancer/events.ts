import type { ClusterMode } from '../cluster/options';
import type { EndpointState } from '../endpoint/endpoint';
import type { AiBalancerErrorCode } from '../errors';
import type { FailureClass } from '../failure/classes';

/** The events of a balancer, by name. No event holds a key or a prompt. */
export interface BalancerEvents {
  /** A call ended, with an answer or with an error. */
  call: [
    {
      readonly requestId: string;
      readonly operation: 'chat' | 'embeddings';
      /** Duration in milliseconds. */
      readonly ms: number;
      /** Code of the error; absent on success. */
      readonly code?: AiBalancerErrorCode;
    },
  ];
  /** An attempt ended: with an answer, with the first content of a stream, or with a failure. */
  attempt: [
    {
      readonly requestId: string;
      readonly endpoint: string;
      readonly model: string;
      /** Class of the failure; absent on success. */
      readonly class?: FailureClass;
      /** HTTP status of the failure, if an answer arrived. */
      readonly status?: number;
    },
  ];
  /** A breaker opened, half-opened or closed, or an endpoint was disabled. */
  breaker: [{ readonly endpoint: string; readonly state: EndpointState }];
  /** An endpoint, or every endpoint of its quota group, takes no calls for `cooldownMs` milliseconds. */
  cooldown: [{ readonly endpoint: string; readonly class: FailureClass; readonly cooldownMs: number }];
  /** The way quotas are shared changed. `members` is the number of processes last seen. */
  cluster: [{ readonly mode: ClusterMode; readonly members: number }];
  /** The Redis store of a rate limit guard became unavailable (each process then counts on its own) or available again. */
  store: [{ readonly guard: string; readonly isDown: boolean }];
}
