import type { ChatCompletionChunk } from '../../call/answer';
import { TEXT_FIELDS } from '../../failure/check-answer';
import { ParsedChatEvent } from '../chat-event';
import { jsonSpans } from './json-spans';

const QUOTE = 34;
const BACKSLASH = 92;
const DELTA = 'choices.0.delta.';

type Placeholder = 'text' | 'generated' | 'padding' | 'digits';

/** The variable parts of a template, by path. Padding is added by providers to hide the length of the text. */
const PLACEHOLDERS = new Map<string, Placeholder>([
  ...TEXT_FIELDS.map((name): [string, Placeholder] => [
    DELTA + name,
    name === 'content' ? 'text' : 'generated',
  ]),
  [`${DELTA}tool_calls.0.function.arguments`, 'generated'],
  ['obfuscation', 'padding'],
  ['p', 'padding'],
  ['created', 'digits'],
]);

/** The positions of the variable parts: start and end of each placeholder in turn. */
export type PlaceholderPositions = readonly number[];

/**
 * The bytes that consecutive events of a stream have in common. Nearly every event repeats the one before it except for
 * a few values: the text, padding, the time. An event that matches the template of a parsed one, and whose strings are
 * well-formed JSON, needs no parsing: it is valid, and its meaning is known.
 *
 * Templates are made only of events that add to one choice, don't end it and report neither usage nor an error.
 */
export class EventTemplate {
  /** The fixed parts around the placeholders: one more than there are placeholders. */
  readonly #segments: readonly string[];
  readonly #placeholders: readonly Placeholder[];
  readonly #isAlwaysContent: boolean;
  /**
   * Indexes of the placeholders that hold generated text. `textPlaceholder` is the one with the visible text of the
   * first choice.
   */
  readonly generatedPlaceholders: readonly number[];
  readonly textPlaceholder: number | undefined;

  private constructor(
    segments: readonly string[],
    placeholders: readonly Placeholder[],
    isAlwaysContent: boolean,
    isFirstChoice: boolean,
  ) {
    this.#segments = segments.map(flatCopy);
    // Copies, because an array that has grown has room for 17.
    this.#placeholders = placeholders.slice();
    this.#isAlwaysContent = isAlwaysContent;
    this.generatedPlaceholders = [...placeholders.keys()].filter((i) => isGenerated(placeholders[i])).slice();
    this.textPlaceholder =
      isFirstChoice && placeholders.includes('text') ? placeholders.indexOf('text') : undefined;
  }

  /** The template of an event, or undefined if no template can be made of it. */
  static of(json: string, event: ParsedChatEvent): EventTemplate | undefined {
    if (event.seenChoices.length !== 1 || event.hasFinishReason || event.usage) return undefined;
    const spans = jsonSpans(json);
    if (!spans) return undefined;

    const segments: string[] = [];
    const placeholders: Placeholder[] = [];
    let from = 0;
    for (const [path, span] of spans) {
      const placeholder = PLACEHOLDERS.get(path);
      if (placeholder === undefined || (span.type === 'number') !== (placeholder === 'digits')) continue;
      segments.push(json.slice(from, span.start));
      placeholders.push(placeholder);
      from = span.end;
    }
    segments.push(json.slice(from));

    // The fixed part must not hold anything that was generated, such as the name of a tool.
    const emptied = JSON.parse(
      segments.map((segment, i) => segment + (placeholders[i] === 'digits' ? '0' : '')).join(''),
    ) as ChatCompletionChunk;
    const { generated, hasContent } = new ParsedChatEvent(emptied, false);
    if (generated !== '') return undefined;
    return new EventTemplate(segments, placeholders, hasContent, event.seenChoices[0] === 0);
  }

  /** The positions of the variable parts, or undefined if the event doesn't match or is not well-formed. */
  match(latin1: string, start: number, end: number): PlaceholderPositions | undefined {
    const segments = this.#segments;
    const placeholders = this.#placeholders;
    const positions: number[] = [];
    let at = start;
    for (let i = 0; i < segments.length; i++) {
      const segment = segments[i] as string;
      // A slice with === compares memory; startsWith compares character by character.
      const next = at + segment.length;
      if (latin1.slice(at, next) !== segment) return undefined;
      at = next;
      if (i === placeholders.length) break;
      positions.push(at);
      at = placeholders[i] === 'digits' ? endOfDigits(latin1, at) : endOfString(latin1, at);
      if (at === -1) return undefined;
      positions.push(at);
    }
    return at === end ? positions : undefined;
  }

  isContent(positions: PlaceholderPositions): boolean {
    if (this.#isAlwaysContent) return true;
    for (const placeholder of this.generatedPlaceholders)
      if (positions[2 * placeholder] !== positions[2 * placeholder + 1]) return true;
    return false;
  }
}

function isGenerated(placeholder: Placeholder | undefined): boolean {
  return placeholder === 'text' || placeholder === 'generated';
}

/** A flat copy, which V8 compares several times faster than a slice of a longer string. */
function flatCopy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** The position of the closing quote, or -1 if the characters are not a JSON string (RFC 8259, section 7). */
function endOfString(latin1: string, from: number): number {
  for (let i = from; i < latin1.length; i++) {
    const code = latin1.charCodeAt(i);
    if (code === QUOTE) return i;
    if (code < 32) return -1;
    if (code !== BACKSLASH) continue;
    i++;
    const escaped = latin1[i];
    if (escaped === 'u') {
      if (!/^[\da-fA-F]{4}$/.test(latin1.slice(i + 1, i + 5))) return -1;
      i += 4;
    } else if (escaped === undefined || !'"\\/bfnrt'.includes(escaped)) return -1;
  }
  return -1;
}

/** The position after an integer without a leading zero, or -1. */
function endOfDigits(latin1: string, from: number): number {
  let i = from;
  while (isDigit(latin1.charCodeAt(i))) i++;
  return i > from && (latin1[from] !== '0' || i === from + 1) ? i : -1;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
