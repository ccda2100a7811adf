import type { ChatCompletionChunk } from '../call/answer';
import type { Call } from '../call/call';
import { type ChatEvent, ParsedChatEvent } from '../stream/chat-event';
import { isObject } from '../util/is-object';
import type { ResolvedHooks, TextResult, TextWindow } from './options';
import { hookCall, type OnHookFailure, runHook } from './run-hook';

/** Runs `text` hooks on a stream, window by window. Each hook gets the text that the one before it has returned. */
export class TextGuard {
  readonly #stages: readonly TextStage[];

  constructor(hooks: readonly ResolvedHooks[], call: Call, onFailure: OnHookFailure) {
    this.#stages = hooks.map((each) => new TextStage(each, call, onFailure));
  }

  /**
   * Yields the events of the source, with their text as the hooks have returned it.
   *
   * @param onStop Receives the error of a hook that refuses or throws, before iteration of the source stops.
   * @throws The error of a hook that refuses or throws.
   */
  events(source: AsyncIterable<ChatEvent>, onStop: (error: Error) => void): AsyncIterable<ChatEvent> {
    return this.#stages.reduce((events, stage) => stage.events(events, onStop), source);
  }

  /** Discards the held-back text, because another endpoint starts the answer again. */
  restart(): void {
    for (const stage of this.#stages) stage.restart();
  }
}

/** The text of one choice that has not been sent yet. */
interface HeldText {
  text: string;
  /** The part of the text that the hook held back from the previous window. */
  carried: string;
  hasEnded: boolean;
}

class TextStage {
  readonly #hooks: ResolvedHooks;
  readonly #call: Call;
  readonly #onFailure: OnHookFailure;
  #events: ChatEvent[] = [];
  #held = new Map<number, HeldText>();
  #chars = 0;

  constructor(hooks: ResolvedHooks, call: Call, onFailure: OnHookFailure) {
    this.#hooks = hooks;
    this.#call = call;
    this.#onFailure = onFailure;
  }

  restart(): void {
    this.#events = [];
    this.#held = new Map();
    this.#chars = 0;
  }

  async *events(
    source: AsyncIterable<ChatEvent>,
    onStop: (error: Error) => void,
  ): AsyncGenerator<ChatEvent, void, undefined> {
    for await (const event of source) {
      this.#add(event);
      const isWindow = this.#chars >= this.#hooks.windowChars || event.hasFinishReason;
      if (isWindow || this.#chars === 0) yield* await this.#release(false, onStop);
    }
    yield* await this.#release(true, onStop);
  }

  #add(event: ChatEvent): void {
    this.#events.push(event);
    for (const { index, finish_reason, delta } of choicesOf(event.chunk)) {
      const content = typeof delta?.content === 'string' ? delta.content : '';
      if (content === '' && !finish_reason) continue;
      const held = this.#held.get(index) ?? { text: '', carried: '', hasEnded: false };
      this.#held.set(index, held);
      held.text += content;
      held.hasEnded ||= Boolean(finish_reason);
      this.#chars += content.length;
    }
  }

  /** Runs the hook on the buffered text and returns the buffered events with the text to send. */
  async #release(isEnd: boolean, onStop: (error: Error) => void): Promise<ChatEvent[]> {
    let events = this.#events;
    this.#events = [];
    this.#chars = 0;
    for (const [choice, held] of this.#held) {
      const isLast = isEnd || held.hasEnded;
      if (held.text === '' || (held.text === held.carried && !isLast)) continue;
      const { text, hold } = await this.#ask({ text: held.text, choice, isLast }, onStop);
      const kept = isLast ? 0 : Math.min(hold, text.length);
      const sent = text.slice(0, text.length - kept);
      if (held.carried !== '' || sent !== held.text) events = withText(events, choice, sent);
      held.carried = text.slice(text.length - kept);
      held.text = held.carried;
    }
    return events;
  }

  async #ask(
    window: TextWindow,
    onStop: (error: Error) => void,
  ): Promise<{ readonly text: string; readonly hold: number }> {
    const ask = async (): Promise<TextResult | undefined> => {
      const result = (await this.#hooks.text?.(hookCall(this.#call), window)) ?? undefined;
      if (isObject(result) && 'text' in result && !isTextResult(result))
        throw new TypeError(`text() of ${this.#hooks.name} must return { text: string, hold?: number }`);
      return result;
    };
    let result: TextResult | undefined;
    try {
      result = await runHook(this.#hooks, 'text', ask, ['text', 'refuse'], this.#onFailure);
    } catch (error) {
      onStop(error as Error);
      throw error;
    }
    if (!result || !('text' in result)) return { text: window.text, hold: 0 };
    return { text: result.text, hold: result.hold ?? 0 };
  }
}

function isTextResult({ text, hold = 0 }: { readonly text: string; readonly hold?: number }): boolean {
  return typeof text === 'string' && Number.isInteger(hold) && hold >= 0;
}

type Choice = Partial<ChatCompletionChunk['choices'][number]> & { readonly index: number };

/** Returns the choices of a chunk with their index filled in, since upstreams may leave out the index and the delta. */
function choicesOf({ choices }: ChatCompletionChunk): Choice[] {
  return (choices as Partial<Choice>[]).map((choice, position) => ({ index: position, ...choice }));
}

/**
 * Replaces the text that the events add to the choice. The new text is put into the first event that adds text, or, if
 * none does, into an additional event before the others.
 */
function withText(events: readonly ChatEvent[], choice: number, text: string): ChatEvent[] {
  let left = text;
  const rewritten = events.map((event) => {
    const { chunk, isHidden } = event;
    if (!choicesOf(chunk).some(({ index, delta }) => index === choice && delta?.content)) return event;
    const choices = choicesOf(chunk).map((each) => {
      if (each.index !== choice || !each.delta?.content) return each;
      const content = left;
      left = '';
      return { ...each, delta: { ...each.delta, content } };
    });
    return new ParsedChatEvent({ ...chunk, choices } as ChatCompletionChunk, isHidden);
  });
  if (left === '') return rewritten;
  const { usage: _usage, ...base } = (events.at(-1) as ChatEvent).chunk;
  const added = { index: choice, delta: { content: left }, finish_reason: null };
  return [new ParsedChatEvent({ ...base, choices: [added] }, false), ...rewritten];
}
