import type { Usage } from '../call/answer';
import type { ChatEvent } from './chat-event';

export interface UsageMeterOptions {
  /** The estimate of the prompt, in tokens. */
  readonly promptTokens: number;
  /** Counts the tokens of a text. It is called once, with at most 4,096 characters. */
  estimateTokens(text: string): number;
  /** How much of the text is kept, in UTF-16 code units. Default 4 Mi. */
  readonly maxTextLength?: number;
}

const MAX_TEXT_LENGTH = 4 * 1024 * 1024;
const SAMPLE_LENGTH = 4096;
/** Short strings are joined in lots: a slice of an event would keep the whole chunk it arrived in. */
const JOIN_BATCH_SIZE = 64;

/** Keeps account of one stream: what it used, as reported or else counted, and the text so far. */
export class UsageMeter {
  readonly #options: UsageMeterOptions;
  readonly #maxTextLength: number;
  #batches: string[] = [];
  #pieces: string[] = [];
  #textLength = 0;
  #isTextComplete = true;
  #sample = '';
  #generated = 0;
  #reported: Usage | undefined;
  #isFinished = false;
  #isReportFinal = false;

  constructor(options: UsageMeterOptions) {
    this.#options = options;
    this.#maxTextLength = options.maxTextLength ?? MAX_TEXT_LENGTH;
  }

  add(event: ChatEvent): void {
    this.#isFinished ||= event.hasFinishReason;
    if (event.usage) {
      this.#reported = event.usage;
      this.#isReportFinal = this.#isFinished;
    }
    const { text, generated } = event;
    this.#generated += generated.length;
    if (this.#sample.length < SAMPLE_LENGTH)
      this.#sample += generated.slice(0, SAMPLE_LENGTH - this.#sample.length);
    if (text !== '') this.#keepText(text);
  }

  /** The text of the first choice so far, as far as it is kept. */
  get text(): string {
    this.#join();
    return this.#batches.join('');
  }

  /** False once the text has outgrown what is kept. */
  get isTextComplete(): boolean {
    return this.#isTextComplete;
  }

  /** Whether nothing but text has come, of the first choice, and all of it is kept. */
  get isTextOnly(): boolean {
    return this.#isTextComplete && this.#textLength === this.#generated;
  }

  /** What the upstream reported last, if anything. */
  get reported(): Usage | undefined {
    return this.#reported;
  }

  /**
   * What the stream has used: the upstream's own figures where it has given them with or after the end of the answer;
   * else counted from what has arrived.
   */
  usage(): Usage {
    if (this.#reported && this.#isReportFinal) return this.#reported;
    const prompt = this.#reported?.prompt_tokens ?? this.#options.promptTokens;
    const completion = Math.max(this.#reported?.completion_tokens ?? 0, this.#estimateCompletionTokens());
    return {
      ...this.#reported,
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
    };
  }

  /** Counted on a sample and scaled: an exact count of megabytes would hold up the event loop. */
  #estimateCompletionTokens(): number {
    if (this.#generated === 0) return 0;
    return Math.ceil((this.#options.estimateTokens(this.#sample) * this.#generated) / this.#sample.length);
  }

  #keepText(text: string): void {
    const available = this.#maxTextLength - this.#textLength;
    if (text.length > available) this.#isTextComplete = false;
    // Once something is missing nothing may follow, or the text would have a hole.
    if (available <= 0) return;
    const kept = text.slice(0, available);
    this.#textLength += kept.length;
    this.#pieces.push(kept);
    if (this.#pieces.length >= JOIN_BATCH_SIZE) this.#join();
  }

  #join(): void {
    if (this.#pieces.length === 0) return;
    this.#batches.push(this.#pieces.join(''));
    this.#pieces = [];
  }
}

/** What two parts of one answer used together. */
export function addUsage(one: Usage | undefined, other: Usage | undefined): Usage {
  const sum = (count: 'prompt_tokens' | 'completion_tokens' | 'total_tokens'): number =>
    (one?.[count] ?? 0) + (other?.[count] ?? 0);
  return {
    ...one,
    ...other,
    prompt_tokens: sum('prompt_tokens'),
    completion_tokens: sum('completion_tokens'),
    total_tokens: sum('total_tokens'),
  };
}
