/** What an attempt waits for until the ledger has said that it may be taken. */
export class GrantRequest {
  state: 'waiting' | 'granted' | 'refused' = 'waiting';
  /** Whether it was granted. */
  readonly decision: Promise<boolean>;
  readonly #onCancel: (request: GrantRequest) => void;
  #resolve: (granted: boolean) => void = () => undefined;

  constructor(
    readonly units: number,
    onCancel: (request: GrantRequest) => void,
  ) {
    this.#onCancel = onCancel;
    this.decision = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  decide(isGranted: boolean): void {
    this.state = isGranted ? 'granted' : 'refused';
    this.#resolve(isGranted);
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    if (this.state === 'waiting') this.#onCancel(this);
  }
}
