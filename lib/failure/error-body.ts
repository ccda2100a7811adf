import { type Fields, isObject } from '../util/is-object';
import { parseJson } from '../util/parse-json';
import { parseDuration } from './duration';

/** What an error body says, whatever its format. The texts are raw: redact them before they leave this folder. */
export interface ErrorBody {
  /** False for HTML, plain text and JSON without an error. These are no evidence against a key. */
  isStructured: boolean;
  message: string;
  code?: string;
  type?: string;
  param?: string;
  /** All values that look like a code, in lower case: code, type, status, inner codes, google.rpc reasons. */
  codes: ReadonlySet<string>;
  /** The HTTP status that the error itself states, such as the numeric code of OpenRouter and Google. */
  status?: number;
  /** google.rpc.QuotaFailure: names of the quotas that are used up, in lower case. */
  quotaIds: readonly string[];
  /** google.rpc.RetryInfo: how long to wait, in milliseconds. */
  retryDelayMs?: number;
  /** OpenRouter: moderation flagged the input. */
  isFlagged: boolean;
  /** OpenRouter: the message of the provider behind the router. */
  nestedMessage?: string;
}

/** Characters up to which a body is parsed as JSON. Of a longer one, only the start is read as text. */
const PARSE_LIMIT = 1_000_000;
const TEXT_LIMIT = 4096;
const MAX_DETAILS = 32;

/**
 * Reads an error body, given as text or as a parsed value. Never throws; takes time linear in the length of the text.
 */
export function readErrorBody(body: unknown): ErrorBody {
  const parsed = typeof body === 'string' ? parseBody(body) : body;
  const root = firstOf(parsed);
  if (isObject(root)) {
    const inner = fieldsOf(root.error) ?? fieldsOf(firstOf(root.errors));
    const read = inner ? fromFields(inner, root) : fromFields(root, root);
    if (read.isStructured) return read;
  }
  return fromText(typeof body === 'string' ? body : '');
}

/** Parses a JSON text; undefined if it is not JSON or too long for an error. */
export function parseBody(text: string): unknown {
  return text.length > PARSE_LIMIT ? undefined : parseJson(text);
}

/** Whether a text is an HTML (or XML) page. */
export function looksLikeHtml(text: string): boolean {
  return /^\s{0,100}<(?:!doctype|html|head|body|\?xml|center|h1)/i.test(text.slice(0, 200));
}

function fromFields(error: Fields, root: Fields): ErrorBody {
  const codes = new Set<string>();
  const inner = fieldsOf(error.innererror) ?? fieldsOf(error.inner_error);
  const details = Array.isArray(error.details)
    ? (error.details as unknown[]).slice(0, MAX_DETAILS)
    : [error.details];
  const metadata = fieldsOf(error.metadata);
  const { code, type, status } = error;
  const named = [code, type, status, inner?.code, metadata?.error_type, metadata?.limit_source];
  for (const value of named) addCode(codes, value);

  const quotaIds: string[] = [];
  let retryDelayMs: number | undefined;
  for (const detail of details) {
    if (!isObject(detail)) continue;
    addCode(codes, detail.reason);
    addCode(codes, detail.error_code);
    if (typeof detail.retryDelay === 'string') retryDelayMs ??= parseDuration(detail.retryDelay);
    if (!Array.isArray(detail.violations)) continue;
    for (const violation of (detail.violations as unknown[]).slice(0, MAX_DETAILS)) {
      const quota = fieldsOf(violation);
      if (typeof quota?.quotaId === 'string') quotaIds.push(quota.quotaId.slice(0, 200).toLowerCase());
      // The plan includes none of this quota, so waiting doesn't help.
      if (quota?.quotaValue === '0') quotaIds.push('zero');
    }
  }

  const message = messageOf(error) ?? messageOf(root) ?? '';
  // Must come before `codes.size` is read, as it may add a code.
  const nestedMessage = nestedMessageOf(metadata?.raw, codes);
  return {
    isStructured: error !== root || message !== '' || codes.size > 0,
    message,
    code: labelOf(code) ?? labelOf(status) ?? labelOf(error.error_code),
    type: labelOf(type),
    // LiteLLM sends Python's None as a string.
    param: error.param === 'None' ? undefined : labelOf(error.param),
    codes,
    status: statusOf(code) ?? statusOf(status) ?? statusOf(root.statusCode),
    quotaIds,
    retryDelayMs,
    isFlagged: Array.isArray(metadata?.reasons) || typeof metadata?.flagged_input === 'string',
    nestedMessage,
  };
}

/** Reads a plain text, or an HTML page, of which only the title is kept. */
function fromText(text: string): ErrorBody {
  const start = text.slice(0, TEXT_LIMIT);
  const isHtml = looksLikeHtml(start);
  const title = isHtml ? /<title>([^<]{1,200})/i.exec(start)?.[1]?.trim() : undefined;
  return {
    isStructured: false,
    message: isHtml ? `HTML page${title ? `: ${title}` : ''}` : start.trim(),
    codes: new Set(),
    quotaIds: [],
    isFlagged: false,
  };
}

function messageOf(fields: Fields): string | undefined {
  for (const value of [fields.message, fields.error, fields.detail, fields.msg]) {
    if (typeof value === 'string' && value !== '') return value.slice(0, TEXT_LIMIT);
    const inner = fieldsOf(value);
    const list = Array.isArray(value)
      ? (value as unknown[])
      : (inner?.detail ?? inner?.error ?? inner?.message);
    if (typeof list === 'string' && list !== '') return list.slice(0, TEXT_LIMIT);
    if (Array.isArray(list) && list.length > 0) return validationMessage(list);
  }
  return undefined;
}

/** The message for a list of validation errors. Their `input` is left out, as it is the caller's text. */
function validationMessage(list: readonly unknown[]): string {
  return list
    .slice(0, 5)
    .map((item) => {
      if (!isObject(item)) return '';
      const fieldPath = Array.isArray(item.loc) ? item.loc.slice(0, 8).map(labelOf).join('.') : '';
      const text = typeof item.msg === 'string' ? item.msg.slice(0, 300) : '';
      return fieldPath && text ? `${fieldPath}: ${text}` : text;
    })
    .filter(Boolean)
    .join('; ');
}

function nestedMessageOf(raw: unknown, codes: Set<string>): string | undefined {
  if (typeof raw !== 'string') return undefined;
  const start = raw.length > TEXT_LIMIT * 4 ? raw.slice(0, TEXT_LIMIT) : raw;
  const root = fieldsOf(parseBody(start));
  const error = fieldsOf(root?.error) ?? root;
  if (!error) return start.slice(0, TEXT_LIMIT);
  // Prefixed, so that what the provider behind the router says is never evidence against our own key.
  const code = labelOf(error.code) ?? labelOf(error.type);
  if (code !== undefined) codes.add(`nested:${code.toLowerCase()}`);
  return messageOf(error);
}

function fieldsOf(value: unknown): Fields | undefined {
  return isObject(value) ? value : undefined;
}

/** Returns the value itself, or the first element of an array: Gemini sends an array of one error. */
export function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? (value as unknown[])[0] : value;
}

function labelOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value.slice(0, 200) : undefined;
}

function addCode(codes: Set<string>, value: unknown): void {
  if (typeof value === 'string' && value !== '' && value.length <= 100) codes.add(value.toLowerCase());
}

function statusOf(value: unknown): number | undefined {
  const status = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : value;
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599
    ? status
    : undefined;
}
