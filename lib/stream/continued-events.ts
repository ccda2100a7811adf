import type { ChatCompletionChunk, Usage } from '../call/answer';
import { type ChatEvent, ParsedChatEvent } from './chat-event';
import { readFacts } from './chunk-facts';
import { type Joint, TextJoin } from './text-join';
import { addUsage } from './usage';

export interface ContinuedEventsOptions {
  /** The text that the reader has. */
  readonly text: string;
  /** What the reader's answer is called in its chunks. */
  readonly head: Pick<ChatCompletionChunk, 'id' | 'created' | 'model'>;
  /** What the answer had used until it broke off. */
  readonly used: Usage;
  /** The upstream does not go on, it begins anew: what follows comes as it is. May throw. */
  onAnew(): void;
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
  const join = new TextJoin(options.text);
  let held: ChatEvent[] = [];
  let joint: Joint | undefined;
  for await (const event of events) {
    if (joint) {
      const next = joint.kind === 'anew' ? event : rewritten(event, event.text, options);
      if (next) yield next;
      continue;
    }
    held.push(event);
    if (event.text !== '') joint = join.add(event.text);
    if (event.finish) joint ??= join.end();
    if (!joint) continue;
    if (joint.kind === 'anew') options.onAnew();
    yield* released(held, joint, options);
    held = [];
  }
}

function* released(
  held: readonly ChatEvent[],
  joint: Joint,
  options: ContinuedEventsOptions,
): Generator<ChatEvent, void, undefined> {
  if (joint.kind === 'anew') {
    yield* held;
    return;
  }
  let { repeated } = joint;
  for (const event of held) {
    const { text } = event;
    const next = rewritten(event, text.slice(repeated), options);
    repeated = Math.max(0, repeated - text.length);
    if (next) yield next;
  }
}

/** Undefined where nothing is left of the event. */
function rewritten(
  { chunk, hidden, usage }: ChatEvent,
  text: string,
  { head, used }: ContinuedEventsOptions,
): ChatEvent | undefined {
  const choices = chunk.choices.map((choice) => {
    // Providers send choices without a delta, types or not.
    const { role: _role, ...delta } = (choice as Partial<typeof choice>).delta ?? {};
    return typeof delta.content === 'string'
      ? { ...choice, delta: { ...delta, content: text } }
      : { ...choice, delta };
  });
  const { id, created, model } = head;
  const total = chunk.usage ? { usage: addUsage(used, usage) } : {};
  const next: ChatCompletionChunk = { ...chunk, id, created, model, choices, ...total };
  const facts = readFacts(next);
  if (!facts.content && facts.finished.length === 0 && !facts.usage) return undefined;
  return new ParsedChatEvent(next, facts, hidden);
}
