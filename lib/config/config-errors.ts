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
  /** Without secrets. */
  readonly got: string;
}

/** Bounds the message for thousands of endpoints that share one mistake. */
const MAX_LINES = 200;
/** Options whose values can be shown, because none of them is the place of a secret. All other strings are not shown. */
const SHOWN_OPTION =
  /^(?:name|model|provider|baseURL|aliases|quotaGroup|tokensCharged|capabilities|strengths|tags|fallbacks|contentPolicyFallbacks|strategy|prefix|onOutage|recovery|tenant|priority|type|operations|allowHeaders)$/;
const SECRET_OPTION = /^(?:apikeys?|headers?|auth|authorization|password|redis|cluster|proxy|token|secret)$/i;
/** A number or a boolean written as a string. */
const SCALAR = /^\s*(?:[-+]?[\d.,_]{1,12}(?:e[-+]?\d+)?%?|true|false|on|off|yes|no|null|undefined|nan)\s*$/i;

/**
 * The error that lists every fault, one per line.
 *
 * @param redactor Replaces secrets of the configuration wherever else they appear.
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

/** The error for the options of a middleware: every path begins with the middleware's name. */
export function optionsError(name: string, faults: readonly Fault[]): AiBalancerError {
  return configError(faults.map((fault) => ({ ...fault, path: [name, ...fault.path] })));
}

/** A fault whose `got` describes the value in the raw configuration. */
export function faultAt(raw: unknown, path: readonly PropertyKey[], expected: string): Fault {
  return { path, expected, got: describeValue(valueAt(raw, path), path) };
}

/** What zod found wrong with a raw value. */
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
    // The branch that matched the value's outer type is the one that was meant.
    const meant = issue.errors.find((branch) => branch.some(hasInnerPath));
    if (meant) return meant.flatMap((inner) => issueFaults(raw, inner, path));
  }
  return [faultAt(raw, path, issue.message)];
}

function hasInnerPath(issue: z.core.$ZodIssue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys';
}

/** `endpoints[2].rpm` */
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

/** A value as shown in a message: short, and never a secret. */
function describeValue(value: unknown, path: readonly PropertyKey[]): string {
  const isSecret = value !== '' && path.some((part) => SECRET_OPTION.test(String(part)));
  if (isSecret && ['string', 'number', 'bigint'].includes(typeof value))
    return `a ${typeof value} (not shown)`;
  if (typeof value !== 'string' || value === '') return kindOf(value);
  if (!isShown(path) && !SCALAR.test(value)) return 'a string (not shown)';
  const text = safeMessage(path.at(-1) === 'baseURL' ? withoutCredentials(value) : value);
  return text.length > 80 ? `${JSON.stringify(text.slice(0, 80))}...` : JSON.stringify(text);
}

/** Whether the option itself, or the list or record that the value stands in, is one whose values can be shown. */
function isShown(path: readonly PropertyKey[]): boolean {
  const option = path.findLast((part) => typeof part === 'string');
  const isInList = path.some((part) => part === 'fallbacks' || part === 'contentPolicyFallbacks');
  return isInList || (typeof option === 'string' && SHOWN_OPTION.test(option));
}

/** The parts before an @ and after a ? may hold a password or a key. */
function withoutCredentials(url: string): string {
  const afterUser = url.includes('@') ? `***@${url.slice(url.lastIndexOf('@') + 1)}` : url;
  const end = afterUser.search(/[?#]/);
  if (end >= 0) return `${afterUser.slice(0, end + 1)}***`;
  return afterUser.startsWith('data:') ? 'data:***' : afterUser;
}
