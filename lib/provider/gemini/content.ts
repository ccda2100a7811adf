import type { Conversation, MediaPart, Part, ToolResultPart } from '../translation/conversation';
import { mimeTypeOfUrl } from '../translation/media';
import type { Content, RequestPart } from './wire';

/**
 * Placeholder for the thought signature of a function call that has none, because it comes from another provider or
 * from a client that drops unknown fields. Source: https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
 */
const NO_SIGNATURE = 'skip_thought_signature_validator';

/** @param needsSignatures whether the first function call of each model turn must have a thought signature */
export function toContents({ turns }: Conversation, needsSignatures: boolean): Content[] {
  return turns
    .map(
      ({ role, parts }): Content => ({
        role: role === 'assistant' ? 'model' : 'user',
        parts: withSignature(parts.flatMap(toParts), needsSignatures),
      }),
    )
    .filter(({ parts }) => parts.length > 0);
}

function toParts(part: Part): RequestPart[] {
  switch (part.kind) {
    case 'text':
      return [
        part.signature === undefined
          ? { text: part.text }
          : { text: part.text, thoughtSignature: part.signature },
      ];
    case 'tool-call': {
      const { id, name, input, signature } = part;
      const call = { functionCall: { ...idOf(id), name, args: input } };
      return [signature === undefined ? call : { ...call, thoughtSignature: signature }];
    }
    case 'tool-result':
      return toolResult(part);
    case 'thinking':
      // Left out: thinking blocks of another provider mean nothing to Gemini.
      return [];
    default:
      return [mediaPart(part)];
  }
}

/**
 * Gives the first function call of a turn the placeholder, if it needs a signature. Of parallel calls, only the first
 * has one.
 */
function withSignature(parts: RequestPart[], isNeeded: boolean): RequestPart[] {
  const first = isNeeded ? parts.findIndex(({ functionCall }) => functionCall !== undefined) : -1;
  const call = parts[first];
  if (call && call.thoughtSignature === undefined) parts[first] = { ...call, thoughtSignature: NO_SIGNATURE };
  return parts;
}

/** Converts a tool result. Its images and files become parts after the function response. */
function toolResult({ id, name, content }: ToolResultPart): RequestPart[] {
  const text = content.map((item) => (item.kind === 'text' ? item.text : '')).join('');
  const media = content.flatMap((item) => (item.kind === 'text' ? [] : [mediaPart(item)]));
  return [{ functionResponse: { ...idOf(id), name, response: { output: parsed(text) } } }, ...media];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function idOf(id: string): { readonly id?: string } {
  return id === '' ? {} : { id };
}

function mediaPart({ kind, media }: MediaPart): RequestPart {
  if (media.kind === 'data') return { inlineData: { mimeType: media.mimeType, data: media.base64 } };
  const otherwise = kind === 'image' ? 'image/jpeg' : 'application/pdf';
  return { fileData: { mimeType: mimeTypeOfUrl(media.url, otherwise), fileUri: media.url } };
}
