import type { Call } from './call';
import type { CallSignal } from './call-signal';
import type { RouteReport } from './report';

/** What stands before one call: who may stop it, who must let it in, and who is told what it used. */
export interface CallGate {
  /** Express's request, for the app's own `classify`. */
  readonly request?: unknown;
  /** Aborts when the response that the call is for closes. */
  readonly signal?: CallSignal;
  /** False where the caller could not be told that a stream begins anew. Default true. */
  readonly restarts?: boolean;
  /** Rejects where the call may not come in. Asked before anything is reserved. */
  admit?(call: Call): void | Promise<void>;
  /** Told once of every call that was let in: what it used, as far as it was served. */
  charge?(call: Call, route: RouteReport | undefined): void;
}

/** The hooks of two guards in a row: a call must pass both, and each is told what the calls it admitted have used. */
export function chainHooks(first: CallGate | undefined, second: CallGate): CallGate {
  return {
    async admit(call) {
      await first?.admit?.(call);
      await second.admit?.(call);
    },
    charge(call, route) {
      first?.charge?.(call, route);
      second.charge?.(call, route);
    },
  };
}
