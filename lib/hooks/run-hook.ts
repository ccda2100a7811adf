import type { Call } from '../call/call';
import { AiBalancerError } from '../errors';
import { callApp, toError } from '../util/app-function';
import { isObject } from '../util/is-object';
import type { HookCall, HookRefusal, HookReturn, ResolvedHooks } from './options';

/** Reports that a hook has failed and the call goes on without it. */
export type OnHookFailure = (name: string, error: Error) => void;

/** What a hook asks for: it ends the call, whatever `onFailure` says. */
export class HookRefusalError extends AiBalancerError {}

/**
 * Runs a function of a hook and checks what it returns. Undefined where it returned nothing, or failed with `onFailure:
 * 'open'`.
 *
 * @param kinds The fields of which its result must have exactly one.
 * @throws The refusal; or, with `onFailure: 'closed'`, what the function threw.
 */
export async function runHook<R extends object>(
  hooks: ResolvedHooks,
  method: 'before' | 'after' | 'text',
  call: () => HookReturn<R>,
  kinds: readonly string[],
  onFailure: OnHookFailure,
): Promise<R | undefined> {
  const name = `${method}() of ${hooks.name}`;
  try {
    const result = (await callApp<unknown>(name, call, hooks.timeoutMs)) ?? undefined;
    if (result === undefined) return undefined;
    if (!isObject(result) || kinds.filter((kind) => result[kind] !== undefined).length !== 1)
      throw new TypeError(`${name} must return nothing or an object with one of: ${kinds.join(', ')}`);
    if (result.refuse !== undefined) throw refusalError(name, result.refuse);
    return result as R;
  } catch (thrown) {
    const error = toError(thrown, name);
    if (error instanceof HookRefusalError || hooks.onFailure === 'closed') throw error;
    onFailure(name, error);
    return undefined;
  }
}

function refusalError(name: string, refusal: unknown): HookRefusalError {
  const { message, status = 400 } = (isObject(refusal) ? refusal : {}) as Partial<HookRefusal>;
  if (typeof message !== 'string' || message === '')
    throw new TypeError(`refuse.message of ${name} must be a string`);
  if (!Number.isInteger(status) || status < 400 || status > 599)
    throw new TypeError(`refuse.status of ${name} must be a whole number from 400 to 599`);
  return new HookRefusalError('ERR_AI_CONTENT_POLICY', message, { status, publicMessage: message });
}

/** What the hooks of a call share, by the context that all of its bodies have in common. */
const STATES = new WeakMap<Call['context'], Record<string, unknown>>();

/** The call as hooks see it. */
export function hookCall(call: Call, rejected = 0, endpoint = ''): HookCall {
  const { operation, body, stream, context } = call;
  const state = STATES.get(context) ?? {};
  STATES.set(context, state);
  return {
    requestId: context.requestId,
    operation,
    body,
    stream,
    context,
    ...(endpoint ? { endpoint } : {}),
    rejected,
    state,
  };
}
