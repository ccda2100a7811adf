/** The clock of a sale: runs `speed` times as fast as the clock on the wall. */
export class Day {
  readonly #startedAt = performance.now();
  readonly #speed: number;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(speed: number) {
    this.#speed = speed;
  }

  get second(): number {
    return ((performance.now() - this.#startedAt) / 1000) * this.#speed;
  }

  at(second: number, what: () => unknown): void {
    const wait = ((second - this.second) * 1000) / this.#speed;
    this.#timers.push(setTimeout(() => void what(), Math.max(0, wait)));
  }

  until(second: number): Promise<void> {
    return new Promise((resolve) => this.at(second, resolve));
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
