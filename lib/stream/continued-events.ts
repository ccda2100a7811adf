import type { ChatCompletionChunk, Usage } from '../call/answer';
import { type ChatEvent, ParsedChatEvent } from './chat-event';
import { readFacts } from './chunk-facts';
import { type EchoResult, PrefixEcho } from './prefix-echo';
import { addUsage } from './usage';

export interface ContinuedEventsOptions {
  /** The text that the reader has, which the upstream was asked to continue. */
  readonly text: string;
  /** The id, time and model of the reader's answer. */
  readonly identity: Pick<ChatCompletionChunk, 'id' | 'created' | 'model'>;
  /** What the earlier parts of the answer have used. */
  readonly priorUsage: Usage;
  /** Called where the upstream answers from the beginning instead: its events follow unchanged. May throw. */
  onRestart(): void;
}

/**
 * The events of a continuation, rewritten so that the reader sees one answer: without an echo of the text and without a
 * second role, under the first answer's id. The first events are held back until it is known whether they are an echo.
 */
export async function* continuedEvents(
  events: AsyncIterable<ChatEvent>,
  options: ContinuedEventsOptions,
): AsyncGenerator<ChatEvent, void, undefined> {
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

/** The event with this text; undefined where nothing is left of it. */
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
  const next: ChatCompletionChunk = { ...chunk, id, created, model, choices, ...total };
  const facts = readFacts(next);
  if (!facts.hasContent && facts.finishedChoices.length === 0 && !facts.usage) return undefined;
  return new ParsedChatEvent(next, facts, isHidden);
}
