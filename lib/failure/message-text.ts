import type { ErrorBody } from './error-body';

/* Helpers for error messages of all providers. The test fixtures name the sources of the messages. */

/**
 * Matches quoted text in a message, except string values in JSON. A match that contains white space is taken for a
 * quotation of the request; one without, such as an id, is not.
 */
const QUOTED =
  /(?<=^|[\s:(\[=])(?<!["']: ?)(?:"[^"]{0,1000}"|'[^']{0,1000}'|`[^`]{0,1000}`)(?=$|[\s.,:;)\]])/g;
const URL = /\bhttps?:\/\/\S{1,500}/g;

/** Builds a table of codes from words separated by white space. */
export function codeTable(words: string): ReadonlySet<string> {
  return new Set(words.trim().split(/\s+/));
}

/** Whether one of the error's codes is in the table. */
export function hasCode(body: ErrorBody, table: ReadonlySet<string>): boolean {
  for (const code of body.codes) if (table.has(code)) return true;
  return false;
}

/** The error's messages in lower case, without URLs and without quotations of the request. */
export function messagesOf(body: ErrorBody): string[] {
  const messages = body.nestedMessage === undefined ? [body.message] : [body.message, body.nestedMessage];
  return messages.map((message) =>
    message
      .toLowerCase()
      .replaceAll('’', "'")
      .replace(URL, ' ')
      .replace(QUOTED, (quoted) => (/\s/.test(quoted) ? ' ' : quoted)),
  );
}

/** What wrappers such as LiteLLM put in front of a message: names of exceptions, statuses, paths, Python dicts. */
const PREFIX =
  /^(?:(?:[\w.]{0,80}(?:error|exception|invalidparameter)|error code: \d{3}|http \d{3}|[[<]?\d{3}[\]>]?(?: bad request| not found)?|\/[\w/]{1,60}|\w{1,20} api returned)[ :,>\]-]{1,4}|\{'(?:error|message|detail)': ['"]){1,6}/;

export function withoutPrefix(message: string): string {
  return message.replace(PREFIX, '');
}
