import type { RouteReport } from '../route-report';
import type { Call } from './call';
import type { CallSignal } from './call-signal';

/** What an HTTP request adds to each of its calls. */
export interface CallHooks {
  /** Express's request, passed to the app's `classify`. */
  readonly request?: unknown;
  /** Aborts when the response closes unfinished. */
  readonly signal?: CallSignal;
  /** False if the caller cannot be notified that a stream restarts. Default true. */
  readonly canRestart?: boolean;
  /** Rejects if the call is not allowed. Runs before anything is reserved. */
  admit?(call: Call): void | Promise<void>;
  /**
   * Called for every started call when it has ended. The route shows what the call has used; it is undefined if nothing
   * was sent.
   */
  onUsage?(call: Call, route: RouteReport | undefined): void;
}
