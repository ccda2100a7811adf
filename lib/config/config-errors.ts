import type { z } from 'zod';
import { kindOf } from '../call/checks';
import { AiBalancerError } from '../errors';
import { safeMessage } from '../failure/detail';
import { knownOption } from '../util/did-you-mean';
import { Redactor } from '../util/redactor';

/** One thing wrong with a configuration. */
export interface Fault {
  readonly path: readonly PropertyKey[];
  readonly expected: string;
  /** Description of the given value, without secrets. */
  readonly got: string;
}

/** Maximum number of faults in the message, in case thousands of endpoints have the same mistake. */
const MAX_LINES = 200;
/** Options whose string values are shown in messages, because they don't hold secrets. Other strings are not shown. */
const SHOWN_OPTION =
  /^(?:name|model|provider|baseURL|aliases|quotaGroup|tokensCharged|capabilities|strengths|tags|fallbacks|contentPolicyFallbacks|strategy|prefix|onOutage|recovery|tenant|priority|type|operations|allowHeaders)$/;
const SECRET_OPTION = /^(?:apikeys?|headers?|auth|authorization|password|redis|cluster|proxy|token|secret)$/i;
/** Matches a string that contains a number, a boolean, null or undefined. */
const SCALAR = /^\s*(?:[-+]?[\d.,_]{1,12}(?:e[-+]?\d+)?%?|true|false|on|off|yes|no|null|undefined|nan)\s*$/i;

/**
 * Creates the error that lists the faults, one per line.
 *
 * @param redactor Masks secrets of the configuration wherever they appear in the message.
 */
export function configError(faults: readonly Fault[], redactor = new Redactor()): AiBalancerError {
  const lines = faults.slice(0, MAX_LINES).map((fault) => {
    const path = redactor.redact(formatPath(fault.path));
    return `  ${path}: expected ${fault.expected}, got ${redactor.redact(fault.got)}`;
  });
  if (faults.length > MAX_LINES) lines.push(`  and ${faults.length - MAX_LINES} more`);
  const title = faults.length === 1 ? 'a fault' : `${faults.length} faults`;
  return new AiBalancerError('ERR_AI_CONFIG', `The configuration has ${title}:\n${lines.join('\n')}`);
}

/** Creates the error for the options of a middleware. Every path begins with the middleware's name. */
export function optionsError(name: string, faults: readonly Fault[]): AiBalancerError {
  return configError(faults.map((fault) => ({ ...fault, path: [name, ...fault.path] })));
}

/** Creates a fault whose `got` describes the value at this path of the raw configuration. */
export function faultAt(raw: unknown, path: readonly PropertyKey[], expected: string): Fault {
  return { path, expected, got: describeValue(valueAt(raw, path), path) };
}

/** Converts the issues that zod found in a raw value to faults. */
export function schemaFaults(
  raw: unknown,
  { error }: { readonly error?: z.core.$ZodError | undefined },
): Fault[] {
  return error?.issues.flatMap((issue) => issueFaults(raw, issue, [])) ?? [];
}

function issueFaults(raw: unknown, issue: z.core.$ZodIssue, base: readonly PropertyKey[]): Fault[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(', ');
    return issue.keys.map((key) => {
      const at = [...path, key];
      // The value may be a key under a misspelled name, so only its type is shown.
      const got = `an unknown option (${kindOf(valueAt(raw, at))})`;
      return { path: at, expected: knownOption(key, known), got };
    });
  }
  if (issue.code === 'invalid_union') {
    // A branch with an issue inside the value matched the value's outer type, so it is the one that was meant.
    const meant = issue.errors.find((branch) => branch.some(hasInnerPath));
    if (meant) return meant.flatMap((inner) => issueFaults(raw, inner, path));
  }
  return [faultAt(raw, path, issue.message)];
}

function hasInnerPath(issue: z.core.$ZodIssue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys';
}

/** Formats a path, such as `endpoints[2].rpm`. */
function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(String(part))) text += text === '' ? String(part) : `.${String(part)}`;
    else text += `[${JSON.stringify(String(part).slice(0, 100))}]`;
  }
  return text === '' ? 'config' : text;
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** Describes a value for a message: short, and without secrets. */
function describeValue(value: unknown, path: readonly PropertyKey[]): string {
  const isSecret = value !== '' && path.some((part) => SECRET_OPTION.test(String(part)));
  if (isSecret && ['string', 'number', 'bigint'].includes(typeof value))
    return `a ${typeof value} (not shown)`;
  if (typeof value !== 'string' || value === '') return kindOf(value);
  if (!isShown(path) && !SCALAR.test(value)) return 'a string (not shown)';
  const text = safeMessage(path.at(-1) === 'baseURL' ? withoutCredentials(value) : value);
  return text.length > 80 ? `${JSON.stringify(text.slice(0, 80))}...` : JSON.stringify(text);
}

/** Whether the value at this path may be shown, judged by its option or by the list or record that contains it. */
function isShown(path: readonly PropertyKey[]): boolean {
  const option = path.findLast((part) => typeof part === 'string');
  const isInList = path.some((part) => part === 'fallbacks' || part === 'contentPolicyFallbacks');
  return isInList || (typeof option === 'string' && SHOWN_OPTION.test(option));
}

/** Masks the parts of a URL before `@` and after `?` or `#`, which may contain a password or a key. */
function withoutCredentials(url: string): string {
  const afterUser = url.includes('@') ? `***@${url.slice(url.lastIndexOf('@') + 1)}` : url;
  const end = afterUser.search(/[?#]/);
  if (end >= 0) return `${afterUser.slice(0, end + 1)}***`;
  return afterUser.startsWith('data:') ? 'data:***' : afterUser;
}
