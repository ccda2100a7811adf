import { type ActiveFaults, type Fault, parseFault } from '../behavior';
import { realTime } from './real-time';

/** A fault that was activated. */
export interface FaultHandle {
  /** Id of the active fault, unique within the provider. */
  readonly id: string;
  /** The fault as it was given. */
  readonly fault: Fault;
  /** Ends the fault. After `refuse`, resolves once the server listens on its port again. */
  end(): Promise<void>;
}

/** The functions of the server that the `refuse` fault uses. */
export interface ListeningPort {
  stopListening(): void;
  resumeListening(): Promise<void>;
}

/** Switches faults on and off. ActiveFaults applies them to calls, except `refuse`, which closes the server's port. */
export class FaultSwitch {
  readonly #board: ActiveFaults;
  readonly #port: ListeningPort;
  readonly #refusals = new Map<string, NodeJS.Timeout | undefined>();

  constructor(board: ActiveFaults, port: ListeningPort) {
    this.#board = board;
    this.#port = port;
  }

  /** Activates a fault. Throws a TypeError that names the field if the fault is invalid. */
  on(given: Fault): FaultHandle {
    const fault = parseFault(given);
    const { id } = this.#board.add(fault, realTime.now());
    if (fault.kind === 'refuse') {
      this.#port.stopListening();
      const { forMs } = fault;
      this.#refusals.set(
        id,
        forMs === undefined ? undefined : realTime.setTimeout(() => void this.off(id), forMs),
      );
    }
    const end = async () => {
      await this.off(id);
    };
    return { id, fault, end };
  }

  /** Ends a fault. Resolves to false if no fault with that id is active. */
  async off(id: string): Promise<boolean> {
    const known = this.#board.remove(id);
    if (!this.#refusals.has(id)) return known;
    realTime.clearTimeout(this.#refusals.get(id));
    this.#refusals.delete(id);
    if (this.#refusals.size === 0) await this.#port.resumeListening();
    return true;
  }

  async allOff(): Promise<void> {
    await Promise.all(this.list().map(({ id }) => this.off(id)));
  }

  list(): { id: string; fault: Fault }[] {
    return this.#board.list(realTime.now()).map(({ id, fault }) => ({ id, fault }));
  }

  stop(): void {
    for (const timer of this.#refusals.values()) realTime.clearTimeout(timer);
    this.#refusals.clear();
  }
}
