import type { Hold } from '../cluster/quota-lease/grant-request';

/** What a taking from a quota waits for: an answer for each limit that the process could not answer for itself. */
export class QuotaHold {
  readonly #parts = new Map<string, Hold>();

  add(dimension: string, part: Hold): void {
    this.#parts.set(dimension, part);
  }

  /** Resolves when every part has been answered: whether all of them were granted. Never rejects. */
  async granted(): Promise<boolean> {
    const answers = await Promise.all([...this.#parts.values()].map(({ answered }) => answered));
    return answers.every((isGranted) => isGranted);
  }

  isRefused(dimension: string): boolean {
    return this.#parts.get(dimension)?.state === 'refused';
  }

  /** Waits no longer. What was waited for is as good as refused. */
  cancel(): void {
    for (const part of this.#parts.values()) part.cancel();
  }
}
