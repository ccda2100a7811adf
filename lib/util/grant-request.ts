import { deferred } from './deferred';

/** An attempt's request to Redis for units of a limit. */
export class GrantRequest {
  state: 'waiting' | 'granted' | 'refused' = 'waiting';
  readonly #decision = deferred<boolean>();
  /** Whether the units were granted. Never rejects. */
  readonly decision = this.#decision.promise;

  constructor(
    readonly units: number,
    /** Refuses the request, if it is still waiting, because the attempt will not be made. */
    readonly cancel: () => void,
  ) {}

  decide(isGranted: boolean): void {
    this.state = isGranted ? 'granted' : 'refused';
    this.#decision.resolve(isGranted);
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
    return this.#requests.reduce((sum, { units }) => sum + units, 0);
  }

  add(units: number): GrantRequest {
    const request = new GrantRequest(units, () => {
      if (request.state !== 'waiting') return;
      this.refuse([request]);
      this.#onCancel(units);
    });
    this.#requests.push(request);
    return request;
  }

  /** Grants requests in order, until `tryTake` returns false for one. */
  grant(tryTake: (units: number) => boolean): void {
    while (this.#requests[0] && tryTake(this.#requests[0].units)) this.#requests.shift()?.decide(true);
  }

  snapshot(): readonly GrantRequest[] {
    return [...this.#requests];
  }

  /** Refuses those of the requests that are still waiting. */
  refuse(requests: readonly GrantRequest[]): void {
    const refused = new Set(requests.filter(({ state }) => state === 'waiting'));
    this.#requests = this.#requests.filter((request) => !refused.has(request));
    for (const request of refused) request.decide(false);
  }

  /** Removes and returns all requests, which the caller then decides. */
  drain(): GrantRequest[] {
    return this.#requests.splice(0);
  }
}
