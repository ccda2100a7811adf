import type { Call } from '../call/call';
import type { AttemptEvent, CallEvent } from './events';
import type { TracedAnswer } from './traced-answer';

/** Follows calls from start to end, for traces. Events come only at the end, when the caller's context may be gone. */
export interface CallObserver {
  /** False while nothing comes of what it sees. It may change at any time, also during a call. Default: always true. */
  isActive?(): boolean;
  /** A call starts. What `proceed` does, it does in the async context in which it is called. */
  started(call: Call, proceed: () => void): void;
  attempted(call: Call, attempt: AttemptEvent): void;
  /** @param traced Absent if nothing was answered. */
  ended(call: Call, event: CallEvent, traced?: TracedAnswer): void;
}
