import type { AnswerPlan } from '../behavior';
import { type ChatRequest, type Content, contentSlice } from './chat-request';

/** One chat answer in no format yet: its content, why it ended and its counts. */
export class ChatAnswer {
  readonly request: ChatRequest;
  /** Letters and digits, without the prefix that each API gives its ids. */
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly #plan: AnswerPlan;

  constructor(request: ChatRequest, plan: AnswerPlan, id: string, created: number) {
    this.request = request;
    this.id = id;
    this.created = created;
    this.#plan = plan;
  }

  get model(): string {
    return this.request.model;
  }

  get content(): Content {
    return this.request.content;
  }

  get promptTokens(): number {
    return this.#plan.promptTokens;
  }

  get outputTokens(): number {
    return this.#plan.outputTokens;
  }

  /** Whether max_tokens cut the answer off. */
  get isCutOff(): boolean {
    return this.#plan.finish === 'length';
  }

  /** The text, or the arguments of the tool call: tokens `from` (inclusive) to `to` (exclusive), or all of them. */
  text(from = 0, to = this.#plan.outputTokens): string {
    return contentSlice(this.request.content, from, to, this.request.outputTokens);
  }

  /** The arguments of the tool call; an empty object if max_tokens cut them off. */
  toolInput(): unknown {
    return this.isCutOff ? {} : (JSON.parse(this.text()) as unknown);
  }
}
