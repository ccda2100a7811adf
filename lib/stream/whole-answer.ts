import type { ChatCompletion, ChatCompletionChunk } from '../call/answer';
import { isObject } from '../util/is-object';
import { type ChatEvent, ParsedChatEvent, withDeltas } from './chat-event';

/** Converts a whole answer that was sent in place of a stream to events. */
export function toChatEvents(answer: ChatCompletion, hideUsage: boolean): ChatEvent[] {
  const { usage, ...rest } = answer;
  const choices = rest.choices.map((choice) => ({
    ...choice,
    // Some servers leave `finish_reason` out or empty, contrary to the type.
    finish_reason: isNonEmptyString(choice.finish_reason) ? choice.finish_reason : 'stop',
  }));
  const content = withDeltas({ ...rest, choices } as unknown as ChatCompletionChunk);
  const events = [new ParsedChatEvent(content, false)];
  if (usage) events.push(new ParsedChatEvent({ ...content, choices: [], usage }, hideUsage));
  return events;
}

export function looksLikeEventStream(text: string): boolean {
  return /^\s{0,100}(?:data|event|id|retry)?:/.test(text.slice(0, 120));
}

type Message = Record<string, unknown>;

/** Assembles a whole answer from a stream that was sent although none was requested. */
export async function assembleAnswer(events: AsyncIterable<ChatEvent>): Promise<ChatCompletion> {
  let head: ChatCompletionChunk | undefined;
  let usage: ChatCompletionChunk['usage'];
  const choices = new Map<number, { message: Message; finish_reason: unknown }>();
  for await (const { chunk } of events) {
    head ??= chunk;
    usage = chunk.usage ?? usage;
    for (const [position, choice] of chunk.choices.entries()) {
      const index = typeof choice.index === 'number' ? choice.index : position;
      const whole = choices.get(index) ?? {
        message: { role: 'assistant', content: null },
        finish_reason: null,
      };
      choices.set(index, whole);
      whole.finish_reason = choice.finish_reason ?? whole.finish_reason;
      addDelta(whole.message, (choice as Partial<typeof choice>).delta ?? {});
    }
  }
  return {
    ...head,
    object: 'chat.completion',
    choices: [...choices].map(([index, choice]) => ({ index, logprobs: null, ...choice })),
    ...(usage ? { usage } : {}),
  } as unknown as ChatCompletion;
}

function addDelta(message: Message, delta: Message): void {
  for (const [name, value] of Object.entries(delta)) {
    // Assigning this key would set the prototype, whose fields are not part of the answer.
    if (name === '__proto__') continue;
    if (name === 'tool_calls' && Array.isArray(value)) addToolCalls(message, value);
    else if (typeof value === 'string' && name !== 'role') message[name] = textOf(message[name]) + value;
    else if (Array.isArray(value) && Array.isArray(message[name]))
      message[name] = [...(message[name] as unknown[]), ...(value as unknown[])];
    else if (value !== null) message[name] = value;
  }
}

function addToolCalls(message: Message, deltas: readonly unknown[]): void {
  const calls = (message.tool_calls ??= []) as Message[];
  for (const [position, delta] of deltas.entries()) {
    if (!isObject(delta)) continue;
    const { index, function: part, ...rest } = delta;
    const at =
      typeof index === 'number' && index >= 0 && index <= calls.length
        ? index
        : Math.min(position, calls.length);
    const call = (calls[at] ??= { type: 'function', function: { name: '', arguments: '' } });
    Object.assign(call, rest);
    const whole = call.function as Message;
    if (!isObject(part)) continue;
    whole.name = textOf(whole.name) + textOf(part.name);
    whole.arguments = textOf(whole.arguments) + textOf(part.arguments);
  }
}

function isNonEmptyString(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
