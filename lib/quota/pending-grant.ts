import type { GrantRequest } from '../cluster/quota-lease/grant-request';

/** What a taking from a quota waits for: an answer for each limit that the process could not answer for itself. */
export class PendingGrant {
  readonly #requests = new Map<string, GrantRequest>();

  add(dimension: string, request: GrantRequest): void {
    this.#requests.set(dimension, request);
  }

  /** Resolves when every part has been answered: whether all of them were granted. Never rejects. */
  async waitUntilGranted(): Promise<boolean> {
    const answers = await Promise.all([...this.#requests.values()].map(({ decision: answered }) => answered));
    return answers.every((isGranted) => isGranted);
  }

  isRefused(dimension: string): boolean {
    return this.#requests.get(dimension)?.state === 'refused';
  }

  /** Waits no longer. What was waited for is as good as refused. */
  cancel(): void {
    for (const part of this.#requests.values()) part.cancel();
  }
}
