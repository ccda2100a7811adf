import { type FailureDetail, MAX_LABEL, MAX_MESSAGE } from './detail';

const REDACTED = '[redacted]';
/** A shorter value is not a secret, and replacing it would garble messages. */
const MIN_LENGTH = 4;
/** A shorter value is replaced only where it stands alone: it may be part of a word. */
const MIN_UNBOUNDED_LENGTH = 8;
/** The part of a secret that gives it away when the rest has been redacted or cut off. */
const MIN_FRAGMENT = 4;
const TEXT_FIELDS = ['message', 'code', 'param', 'type'] as const;

/** Replaces configured secrets literally, whatever they look like: an upstream may repeat them in its errors. */
export class SecretRedactor {
  /** The longest first: one secret may contain another. */
  readonly #secrets: readonly string[];

  /** @param values Keys and header values. A scheme such as `Bearer` in front of a secret is not part of it. */
  constructor(values: readonly (string | undefined)[]) {
    const secrets = new Set<string>();
    for (const value of values) {
      if (typeof value !== 'string') continue;
      const trimmed = value.trim();
      const token = /^(?:bearer|basic|token|key)\s+(\S+)$/i.exec(trimmed)?.[1];
      for (const form of [trimmed, token, JSON.stringify(trimmed).slice(1, -1), encoded(trimmed)]) {
        if (form !== undefined && form.length >= MIN_LENGTH) secrets.add(form);
      }
    }
    this.#secrets = [...secrets].sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    let safe = text;
    for (const secret of this.#secrets) safe = replaceAll(safe, secret);
    return safe;
  }

  /** The same detail without secrets in its texts. */
  detail(detail: FailureDetail): FailureDetail {
    const safe = { ...detail };
    for (const field of TEXT_FIELDS) {
      const text = safe[field];
      if (text === undefined) continue;
      const isCut = text.length >= (field === 'message' ? MAX_MESSAGE : MAX_LABEL);
      safe[field] = this.#secrets.reduce(
        (clean, secret) => redactFragments(clean, secret, isCut),
        this.text(text),
      );
    }
    return safe;
  }
}

function replaceAll(text: string, secret: string): string {
  if (secret.length >= MIN_UNBOUNDED_LENGTH) return text.replaceAll(secret, REDACTED);
  return text.replaceAll(secret, (match, at: number) => {
    const isPartOfWord = isWordAt(text, at - 1) || isWordAt(text, at + secret.length);
    return isPartOfWord ? match : REDACTED;
  });
}

/**
 * Removes the start of a secret in front of a redacted part, or at the end of a text that was cut, and its end behind a
 * redacted part.
 */
function redactFragments(text: string, secret: string, isCut: boolean): string {
  const parts = text.split(REDACTED);
  const last = parts.length - 1;
  return parts
    .map((part, index) => {
      const start = index === 0 ? 0 : overlap(secret, part);
      const end = index < last || isCut ? overlap(part.slice(start), secret) : 0;
      return part.slice(start, part.length - end);
    })
    .join(REDACTED);
}

/** The length of the longest end of `left` that is a start of `right`; 0 if it is too short to mean anything. */
function overlap(left: string, right: string): number {
  for (let length = Math.min(left.length, right.length); length >= MIN_FRAGMENT; length--) {
    if (left.endsWith(right.slice(0, length))) return length;
  }
  return 0;
}

function isWordAt(text: string, index: number): boolean {
  return /\w/.test(text.charAt(index));
}

function encoded(text: string): string | undefined {
  try {
    return encodeURIComponent(text);
  } catch {
    // Half of a surrogate pair.
    return undefined;
  }
}
