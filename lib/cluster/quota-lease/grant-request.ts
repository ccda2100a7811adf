/** What an attempt waits for until the ledger has said that it may be taken. */
export class Hold {
  state: 'waiting' | 'granted' | 'refused' = 'waiting';
  /** Whether it was granted. */
  readonly answered: Promise<boolean>;
  readonly #onCancel: (hold: Hold) => void;
  #answer: (granted: boolean) => void = () => undefined;

  constructor(
    readonly units: number,
    onCancel: (hold: Hold) => void,
  ) {
    this.#onCancel = onCancel;
    this.answered = new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  settle(isGranted: boolean): void {
    this.state = isGranted ? 'granted' : 'refused';
    this.#answer(isGranted);
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    if (this.state === 'waiting') this.#onCancel(this);
  }
}
