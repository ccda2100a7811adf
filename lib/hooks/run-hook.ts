import type { Call } from '../call/call';
import { AiBalancerError } from '../errors';
import { callApp, toError } from '../util/app-function';
import { isObject } from '../util/is-object';
import type { HookCall, HookRefusal, HookReturn, ResolvedHooks } from './options';

/** Called when a hook has failed and the call goes on without it. */
export type OnHookFailure = (name: string, error: Error) => void;

/** The refusal of a call by a hook. It ends the call even with `onFailure: 'open'`. */
export class HookRefusalError extends AiBalancerError {}

/**
 * Runs a function of a hook and returns its checked result. Returns undefined if the function returned nothing, or if
 * it failed with `onFailure: 'open'`.
 *
 * @param kinds The fields of which the result must have exactly one.
 * @throws The hook's refusal; with `onFailure: 'closed'` also what the function has thrown.
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

/** The `state` object of each call. Keyed by the context, which stays the same when a hook changes the body. */
const STATES = new WeakMap<Call['context'], Record<string, unknown>>();

/** Returns the view of the call that hooks get. */
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
