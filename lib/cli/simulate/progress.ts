/** Shows on a terminal how far the runs are. Anywhere else it writes only what `line` gets. */
export class Progress {
  readonly #stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>;
  #runs = 0;

  constructor(stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'> = process.stderr) {
    this.#stream = stream;
  }

  /** A run begins. Returns what to call with the simulated share of it, 0 to 1. */
  start(): (share: number) => void {
    const run = ++this.#runs;
    const show = (share: number): void => {
      const text = `run ${String(run)}: ${String(Math.round(100 * share))} % simulated`;
      if (this.#stream.isTTY) this.#stream.write(`\r\x1b[K${text}`);
    };
    show(0);
    return show;
  }

  /** Writes a line for the run that has ended, on a terminal and elsewhere. */
  line(text: string): void {
    this.end();
    this.#stream.write(`run ${String(this.#runs)}: ${text}\n`);
  }

  /** Clears the line, for what is printed next. */
  end(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}
