/** Units that an attempt has asked Redis for. */
export class GrantRequest {
  state: 'waiting' | 'granted' | 'refused' = 'waiting';
  /** Whether the units were granted. Never rejects. */
  readonly decision: Promise<boolean>;
  #resolve: (isGranted: boolean) => void = () => undefined;

  constructor(
    readonly units: number,
    /** Refuses the request, if it is still waiting: the attempt is not going to be made. */
    readonly cancel: () => void,
  ) {
    this.decision = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  decide(isGranted: boolean): void {
    this.state = isGranted ? 'granted' : 'refused';
    this.#resolve(isGranted);
  }
}

/** The requests of one limit that wait for Redis, oldest first. */
export class GrantQueue {
  #requests: GrantRequest[] = [];
  readonly #onCancel: (units: number) => void;

  constructor(onCancel: (units: number) => void = () => undefined) {
    this.#onCancel = onCancel;
  }

  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** The units of the oldest request; 0 if there is none. */
  get first(): number {
    return this.#requests[0]?.units ?? 0;
  }

  /** The units of all requests. */
  get units(): number {
    let units = 0;
    for (const request of this.#requests) units += request.units;
    return units;
  }

  add(units: number): GrantRequest {
    const request = new GrantRequest(units, () => {
      if (request.state !== 'waiting') return;
      this.refuse(new Set([request]));
      this.#onCancel(units);
    });
    this.#requests.push(request);
    return request;
  }

  /** Grants requests in order, until `tryTake` finds that one is not covered. */
  grant(tryTake: (units: number) => boolean): void {
    for (let request = this.#requests[0]; request && tryTake(request.units); request = this.#requests[0]) {
      this.#requests.shift();
      request.decide(true);
    }
  }

  snapshot(): ReadonlySet<GrantRequest> {
    return new Set(this.#requests);
  }

  /** Refuses those of the requests that are still waiting. */
  refuse(requests: ReadonlySet<GrantRequest>): void {
    const refused = this.#requests.filter((request) => requests.has(request));
    this.#requests = this.#requests.filter((request) => !requests.has(request));
    for (const request of refused) request.decide(false);
  }

  /** Removes all requests, for the caller to decide. */
  drain(): GrantRequest[] {
    return this.#requests.splice(0);
  }
}
