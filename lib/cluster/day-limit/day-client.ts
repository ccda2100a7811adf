import type { DayAnswer, DayLedger, DayQuestion, DayVersion } from './day-script';
import { HourlyCounts } from './hourly-counts';

type Changes = DayQuestion['changes'];
/** What a question says, beside what the talk itself knows. */
export type DayNews = Omit<DayQuestion, 'nth' | 'known'>;

/**
 * The questions of one process to a day's count, one at a time. One whose answer was lost is asked again under its
 * number, so that it is done once; a Redis that has lost the count is told what was heard of it before.
 */
export class DayTalk {
  readonly #ledger: DayLedger;
  #known: DayVersion | undefined;
  #questions = 0;
  /** Asked, and its answer has not been heard. */
  #open: DayQuestion | undefined;
  #isAsking = false;
  #epoch = 0;
  /** The changes of the open question: whether they have been counted is not known. */
  readonly sent = new HourlyCounts();

  constructor(ledger: DayLedger) {
    this.#ledger = ledger;
  }

  get isAsking(): boolean {
    return this.#isAsking;
  }

  /** Whether a question is still to be answered. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Whether the count has ever been heard: before that its hours may be others than the process's own. */
  get hasHeard(): boolean {
    return this.#known !== undefined;
  }

  /** Milliseconds of Redis's clock; the process's own until it has been heard. */
  now(): number {
    return this.#ledger.now() ?? Date.now();
  }

  /**
   * Undefined where the question was abandoned meanwhile, 'lost' where no answer came. Never rejects.
   * @param next What is to be asked where no question is open.
   * @param heard The count as it was last heard.
   */
  async ask(next: () => DayNews, heard: () => Changes): Promise<DayAnswer | 'lost' | undefined> {
    this.#isAsking = true;
    const epoch = this.#epoch;
    try {
      for (;;) {
        this.#open ??= this.#question(next());
        const answer = await this.#ledger.ask({ ...this.#open, known: this.#known });
        if (epoch !== this.#epoch) return undefined;
        if (!answer.isLost) {
          this.#known = answer.version;
          this.#open = undefined;
          this.sent.drain();
          this.#isAsking = false;
          return answer;
        }
        this.#known = (await this.#ledger.restore(this.#known, heard())).version;
      }
    } catch {
      if (epoch !== this.#epoch) return undefined;
      this.#isAsking = false;
      return 'lost';
    }
  }

  /** Its answer is waited for no longer. */
  abandon(): void {
    this.#epoch++;
    this.#isAsking = false;
  }

  #question(news: DayNews): DayQuestion {
    this.sent.replace(news.changes);
    const changes: Changes = this.hasHeard ? news.changes : [[0, this.sent.total]];
    return { ...news, changes, nth: ++this.#questions, known: this.#known };
  }
}
