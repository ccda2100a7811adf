import type { ChatCompletionChunk, Usage } from '../call/answer';
import { type ChatEvent, ParsedChatEvent } from './chat-event';
import { readFacts } from './chunk-facts';
import { OverlapDetector, type OverlapResult } from './overlap-detector';
import { addUsage } from './usage-meter';

export interface ContinuedEventsOptions {
  /** The text that the reader has. */
  readonly text: string;
  /** What the reader's answer is called in its chunks. */
  readonly identity: Pick<ChatCompletionChunk, 'id' | 'created' | 'model'>;
  /** What the answer had used until it broke off. */
  readonly priorUsage: Usage;
  /** The upstream does not go on, it begins anew: what follows comes as it is. May throw. */
  onRestart(): void;
}

/**
 * The events of an answer that goes on from a text, so that the reader sees one answer: without what it repeats of the
 * text and without a second role, under the ids of the first. Its first events are held until it is sure what they
 * repeat; a slow reader still stops the upstream.
 */
export async function* continuedEvents(
  events: AsyncIterable<ChatEvent>,
  options: ContinuedEventsOptions,
): AsyncGenerator<ChatEvent, void, undefined> {
  const overlap = new OverlapDetector(options.text);
  let buffered: ChatEvent[] = [];
  let result: OverlapResult | undefined;
  for await (const event of events) {
    if (result) {
      const next = result.kind === 'anew' ? event : rewriteEvent(event, event.text, options);
      if (next) yield next;
      continue;
    }
    buffered.push(event);
    if (event.text !== '') result = overlap.add(event.text);
    if (event.hasFinishReason) result ??= overlap.end();
    if (!result) continue;
    if (result.kind === 'anew') options.onRestart();
    yield* flushBuffered(buffered, result, options);
    buffered = [];
  }
}

function* flushBuffered(
  buffered: readonly ChatEvent[],
  result: OverlapResult,
  options: ContinuedEventsOptions,
): Generator<ChatEvent, void, undefined> {
  if (result.kind === 'anew') {
    yield* buffered;
    return;
  }
  let { repeated } = result;
  for (const event of buffered) {
    const { text } = event;
    const next = rewriteEvent(event, text.slice(repeated), options);
    repeated = Math.max(0, repeated - text.length);
    if (next) yield next;
  }
}

/** Undefined where nothing is left of the event. */
function rewriteEvent(
  { chunk, isHidden: isHidden, usage }: ChatEvent,
  text: string,
  { identity: identity, priorUsage: priorUsage }: ContinuedEventsOptions,
): ChatEvent | undefined {
  const choices = chunk.choices.map((choice) => {
    // Providers send choices without a delta, types or not.
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
