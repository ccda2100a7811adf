import type { Call } from '../call/call';
import type { AttemptEvent, CallEvent } from './events';
import type { TracedAnswer } from './traced-answer';

/**
 * Follows calls from start to end, for traces. Balancer events would not do: they are emitted only when a call ends,
 * when the caller's async context may be gone.
 */
export interface CallObserver {
  /** False while the observer discards everything. May change at any time, even during a call. Default: always true. */
  isActive?(): boolean;
  /** A call starts. `proceed` runs the call in the async context from which it is called. */
  started(call: Call, proceed: () => void): void;
  attempted(call: Call, attempt: AttemptEvent): void;
  /** @param traced Absent if there was no answer. */
  ended(call: Call, event: CallEvent, traced?: TracedAnswer): void;
}
