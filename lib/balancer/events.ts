import type { ClusterMode } from '../cluster/options';
import type { EndpointState } from '../endpoint/endpoint';
import type { AiBalancerErrorCode } from '../errors';
import type { FailureClass } from '../failure/classes';

/** What a balancer tells as it happens. Never a key, never a prompt. */
export interface BalancerEvents {
  /** A call has ended: with an answer, or with the error of this code. */
  call: [
    {
      readonly requestId: string;
      readonly operation: 'chat' | 'embeddings';
      readonly ms: number;
      readonly code?: AiBalancerErrorCode;
    },
  ];
  /** An attempt has ended: with an answer or the start of one, or with a failure of this class. */
  attempt: [
    {
      readonly requestId: string;
      readonly endpoint: string;
      readonly model: string;
      readonly class?: FailureClass;
      readonly status?: number;
    },
  ];
  /** A breaker opened, half-opened or closed, or an endpoint was disabled. */
  breaker: [{ readonly endpoint: string; readonly state: EndpointState }];
  /** An endpoint, or all that share its quota, takes no calls for a while. */
  cooldown: [{ readonly endpoint: string; readonly class: FailureClass; readonly cooldownMs: number }];
  /** How the quotas of a cluster are kept from now on, and how many processes were last seen. */
  cluster: [{ readonly mode: ClusterMode; readonly members: number }];
  /** The store that holds a guard's limits stopped answering, or answers again. Meanwhile each process counts for itself. */
  store: [{ readonly guard: string; readonly isDown: boolean }];
}
