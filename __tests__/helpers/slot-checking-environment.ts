import type { Circus } from '@jest/types';
import { TestEnvironment } from 'jest-environment-node';

/** How long a file's last attempts may take to end: the losers of hedges and aborted calls end a moment later. */
const GRACE_MS = 20_000;

/** Fails a test file that leaves attempts, quota reservations or queued calls behind. See ./open-slots.ts. */
export default class SlotCheckingEnvironment extends TestEnvironment {
  /** A test that failed may not have come to its end: what it leaves says nothing. */
  #hasFailed = false;

  async handleTestEvent(event: Circus.Event, state: Circus.State): Promise<void> {
    if (event.name === 'test_done') this.#hasFailed ||= event.test.errors.length > 0;
    if (event.name !== 'run_finish' || this.#hasFailed) return;
    const { openSlots } = this.global as { openSlots?: () => string[] };
    if (openSlots === undefined) return;
    // These are the real timers, whatever the tests have faked.
    const deadline = Date.now() + GRACE_MS;
    while (openSlots().length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const open = openSlots();
    if (open.length === 0) return;
    const error = new Error(`The tests of this file leave open:\n${open.join('\n')}`);
    state.unhandledErrors.push(error);
  }
}
