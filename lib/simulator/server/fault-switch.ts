import { type Fault, type FaultBoard, parseFault } from '../physics';

/** A fault that was switched on. */
export interface FaultHandle {
  readonly id: string;
  readonly fault: Fault;
  /** Switches it off; after `refuse` the promise resolves when the server listens on its port again. */
  end(): Promise<void>;
}

/** The server as `refuse` needs it. */
export interface ListeningPort {
  stopListening(): void;
  resumeListening(): Promise<void>;
}

/** Switches faults on and off. All but `refuse` live in the physics; that one takes the server away. */
export class FaultSwitch {
  readonly #board: FaultBoard;
  readonly #port: ListeningPort;
  readonly #refusals = new Map<string, NodeJS.Timeout | undefined>();

  constructor(board: FaultBoard, port: ListeningPort) {
    this.#board = board;
    this.#port = port;
  }

  /** Throws a TypeError that names the field for a fault that can't be. */
  on(given: Fault): FaultHandle {
    const fault = parseFault(given);
    const { id } = this.#board.add(fault, performance.now());
    if (fault.kind === 'refuse') {
      this.#port.stopListening();
      const { forMs } = fault;
      this.#refusals.set(id, forMs === undefined ? undefined : setTimeout(() => void this.off(id), forMs));
    }
    const end = async () => {
      await this.off(id);
    };
    return { id, fault, end };
  }

  /** False when no fault of that id is on. */
  async off(id: string): Promise<boolean> {
    const known = this.#board.remove(id);
    if (!this.#refusals.has(id)) return known;
    clearTimeout(this.#refusals.get(id));
    this.#refusals.delete(id);
    if (this.#refusals.size === 0) await this.#port.resumeListening();
    return true;
  }

  async allOff(): Promise<void> {
    await Promise.all(this.list().map(({ id }) => this.off(id)));
  }

  list(): { id: string; fault: Fault }[] {
    return this.#board.list(performance.now()).map(({ id, fault }) => ({ id, fault }));
  }

  stop(): void {
    for (const timer of this.#refusals.values()) clearTimeout(timer);
    this.#refusals.clear();
  }
}
