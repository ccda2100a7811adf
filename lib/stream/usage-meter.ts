import type { Usage } from '../call/answer';
import type { ChatEvent } from './chat-event';
import { completeUsage, usageOf } from './usage';

export interface UsageMeterOptions {
  readonly promptTokens: number;
  /** Estimates the tokens of a text. Called once per estimate, with at most 4,096 characters. */
  estimateTokens(text: string): number;
  /** How much of the text is kept, in UTF-16 code units. Default 4 Mi. */
  readonly maxTextLength?: number;
}

const MAX_TEXT_LENGTH = 4 * 1024 * 1024;
const SAMPLE_LENGTH = 4096;
/**
 * Pieces of text are joined in batches of this size: a slice of an event would keep the whole chunk that it arrived in.
 */
const JOIN_BATCH_SIZE = 64;

/** The usage that the upstream has reported. A report is final if it came with or after the end of the answer. */
type ReportState =
  | { readonly kind: 'none' }
  | { readonly kind: 'partial'; readonly usage: Usage }
  | { readonly kind: 'final'; readonly usage: Usage };

/** Measures what one stream has used, as reported or else estimated, and keeps its text. */
export class UsageMeter {
  readonly #options: UsageMeterOptions;
  readonly #maxTextLength: number;
  #batches: string[] = [];
  #pieces: string[] = [];
  #textLength = 0;
  #isTextComplete = true;
  #sample = '';
  #generatedLength = 0;
  /** The last estimate, because the usage is read several times at the end of a stream. */
  #estimate: { readonly length: number; readonly tokens: number } | undefined;
  #hasFinished = false;
  #report: ReportState = { kind: 'none' };

  constructor(options: UsageMeterOptions) {
    this.#options = options;
    this.#maxTextLength = options.maxTextLength ?? MAX_TEXT_LENGTH;
  }

  add(event: ChatEvent): void {
    this.#hasFinished ||= event.hasFinishReason;
    if (event.usage) this.#report = { kind: this.#hasFinished ? 'final' : 'partial', usage: event.usage };
    const { text, generated } = event;
    this.#generatedLength += generated.length;
    if (this.#sample.length < SAMPLE_LENGTH)
      this.#sample += generated.slice(0, SAMPLE_LENGTH - this.#sample.length);
    if (text !== '') this.#keepText(text);
  }

  /** The text of the first choice so far, up to the limit. */
  get text(): string {
    this.#joinPieces();
    return this.#batches.join('');
  }

  /** Whether `text` is the whole text of the first choice; false once that has exceeded the limit. */
  get isTextComplete(): boolean {
    return this.#isTextComplete;
  }

  /** Whether nothing but text of the first choice has arrived, and all of it is kept. */
  get isTextOnly(): boolean {
    return this.#isTextComplete && this.#textLength === this.#generatedLength;
  }

  get reported(): Usage | undefined {
    return this.#report.kind === 'none' ? undefined : this.#report.usage;
  }

  /** What the stream has used: the upstream's final report, or an estimate from what has arrived. */
  usage(): Usage {
    const { promptTokens } = this.#options;
    const completionTokens = (): number => this.#estimateCompletionTokens();
    if (this.#report.kind !== 'partial')
      return completeUsage(this.reported, { promptTokens, completionTokens });
    const { usage } = this.#report;
    return usageOf(usage, usage.prompt_tokens, Math.max(usage.completion_tokens, completionTokens()));
  }

  /** Estimated from a sample and scaled: counting megabytes exactly would block the event loop. */
  #estimateCompletionTokens(): number {
    if (this.#generatedLength === 0) return 0;
    if (this.#estimate?.length === this.#generatedLength) return this.#estimate.tokens;
    const sampleTokens = this.#options.estimateTokens(this.#sample);
    const tokens = Math.ceil((sampleTokens * this.#generatedLength) / this.#sample.length);
    this.#estimate = { length: this.#generatedLength, tokens };
    return tokens;
  }

  #keepText(text: string): void {
    const available = this.#maxTextLength - this.#textLength;
    if (text.length > available) this.#isTextComplete = false;
    // Nothing is appended once something is missing, or the text would have a gap.
    if (available <= 0) return;
    const kept = text.slice(0, available);
    this.#textLength += kept.length;
    this.#pieces.push(kept);
    if (this.#pieces.length >= JOIN_BATCH_SIZE) this.#joinPieces();
  }

  #joinPieces(): void {
    if (this.#pieces.length === 0) return;
    this.#batches.push(this.#pieces.join(''));
    this.#pieces = [];
  }
}
