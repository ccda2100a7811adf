import type { Usage } from '../call/answer';
import { type ChatEvent, type ChunkIdentity, ParsedChatEvent } from './chat-event';
import { addUsage } from './usage';

export interface ContinuedEventsOptions {
  /** The text that the reader has received and that the upstream was asked to continue. */
  readonly text: string;
  /** The id, time and model of the answer that the reader receives. */
  readonly identity: ChunkIdentity;
  /** The usage of the earlier parts of the answer. */
  readonly priorUsage: Usage;
  /** Called if the upstream starts the answer over instead: its events then follow unchanged. May throw. */
  onRestart(): void;
}

/**
 * The events of a continuation, rewritten so that the reader sees one answer: without an echo of the text and without a
 * second role, under the first answer's id. The first events are held back until it is known whether they are an echo.
 */
export async function* continuedEvents(
  events: AsyncIterable<ChatEvent>,
  options: ContinuedEventsOptions,
): AsyncGenerator<ChatEvent, undefined> {
  const echo = new PrefixEcho(options.text);
  let buffered: ChatEvent[] = [];
  let result: EchoResult | undefined;
  for await (const event of events) {
    if (result) {
      const next = result.kind === 'restarted' ? event : rewriteEvent(event, event.text, options);
      if (next) yield next;
      continue;
    }
    buffered.push(event);
    if (event.text !== '') result = echo.add(event.text);
    if (event.hasFinishReason) result ??= echo.end();
    if (!result) continue;
    if (result.kind === 'restarted') options.onRestart();
    yield* flushBuffered(buffered, result, options);
    buffered = [];
  }
  if (!result) yield* flushBuffered(buffered, echo.end(), options);
}

function* flushBuffered(
  buffered: readonly ChatEvent[],
  result: EchoResult,
  options: ContinuedEventsOptions,
): Generator<ChatEvent, void, undefined> {
  if (result.kind === 'restarted') {
    yield* buffered;
    return;
  }
  let { echoed } = result;
  for (const event of buffered) {
    const { text } = event;
    const next = rewriteEvent(event, text.slice(echoed), options);
    echoed = Math.max(0, echoed - text.length);
    if (next) yield next;
  }
}

/**
 * The event with `text` as its content, under the first answer's identity. Undefined if nothing would be left of it.
 */
function rewriteEvent(
  { chunk, isHidden, usage }: ChatEvent,
  text: string,
  { identity, priorUsage }: ContinuedEventsOptions,
): ChatEvent | undefined {
  const choices = chunk.choices.map((choice) => {
    // Some providers send choices without a delta.
    const { role: _role, ...delta } = (choice as Partial<typeof choice>).delta ?? {};
    return typeof delta.content === 'string'
      ? { ...choice, delta: { ...delta, content: text } }
      : { ...choice, delta };
  });
  const { id, created, model } = identity;
  const total = chunk.usage ? { usage: addUsage(priorUsage, usage) } : {};
  const next = new ParsedChatEvent({ ...chunk, id, created, model, choices, ...total }, isHidden);
  return next.hasContent || next.hasFinishReason || next.usage ? next : undefined;
}

/**
 * If a continuation begins with at least this many characters of the text's beginning, but not with the whole text, the
 * upstream has started the answer over.
 */
const RESTART_MATCH = 24;

/** How a continuation relates to the text it was asked to continue. */
export type EchoResult =
  /** The continuation first repeats this many characters of the text, 0 or all of them, and then continues it. */
  | { readonly kind: 'continued'; readonly echoed: number }
  /** The continuation starts the answer over. */
  | { readonly kind: 'restarted' };

/**
 * Detects whether a continuation that arrives in pieces first repeats the text it continues. llama-server echoes the
 * whole prefix, of any length, in its first delta; vLLM, Mistral and DeepSeek echo nothing.
 */
export class PrefixEcho {
  readonly #prefix: string;
  /** Length of the prefix without the white space at its end, which chat templates may trim. */
  readonly #trimmedLength: number;
  #text = '';
  #matched = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#trimmedLength = prefix.trimEnd().length;
  }

  /** Adds the next piece of text. Returns undefined while everything so far repeats the prefix. */
  add(piece: string): EchoResult | undefined {
    this.#text += piece;
    const most = Math.min(this.#text.length, this.#prefix.length);
    while (this.#matched < most && this.#text[this.#matched] === this.#prefix[this.#matched]) this.#matched++;
    const isDecided = this.#matched < this.#text.length || this.#matched === this.#prefix.length;
    return isDecided ? this.end() : undefined;
  }

  /** The result if no more text follows. */
  end(): EchoResult {
    if (this.#matched > 0 && this.#matched >= this.#trimmedLength)
      return { kind: 'continued', echoed: this.#matched };
    return this.#matched >= RESTART_MATCH ? { kind: 'restarted' } : { kind: 'continued', echoed: 0 };
  }
}
