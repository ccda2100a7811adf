/**
 * Shows the progress of the runs on a terminal. If the output is not a terminal, it only writes the lines of `line()`.
 */
export class Progress {
  readonly #stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>;
  #runs = 0;

  constructor(stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>) {
    this.#stream = stream;
  }

  /** Begins a run. Returns the function to call with the simulated share of the run, 0 to 1. */
  start(): (share: number) => void {
    const run = ++this.#runs;
    const show = (share: number): void => {
      const text = `run ${String(run)}: ${String(Math.round(100 * share))} % simulated`;
      if (this.#stream.isTTY) this.#stream.write(`\r\x1b[K${text}`);
    };
    show(0);
    return show;
  }

  /** Writes a line for the run that has ended, whether or not the output is a terminal. */
  line(text: string): void {
    this.end();
    this.#stream.write(`run ${String(this.#runs)}: ${text}\n`);
  }

  /** Clears the progress line before other output. */
  end(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}
