import type { ChatBody, EmbeddingBody } from '../call/body';
import type { Call } from '../call/call';
import type { ExpectedAnswer } from '../failure/check-answer';

/** What the answer to this call must hold. */
export function expectedAnswer(call: Call): ExpectedAnswer {
  if (call.operation === 'embeddings')
    return { kind: 'embeddings', inputs: inputCount(call.body as EmbeddingBody) };
  return { kind: 'chat', mayBeEmpty: hasStopSequence(call.body as ChatBody) };
}

function inputCount({ input }: EmbeddingBody): number {
  // A list of token ids is one input.
  return Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
}

/** With a stop sequence the model may stop before its first token. */
export function hasStopSequence(body: ChatBody): boolean {
  const { stop } = body as { readonly stop?: unknown };
  return (typeof stop === 'string' && stop !== '') || (Array.isArray(stop) && stop.length > 0);
}
