import { types } from 'node:util';
import { AiBalancerError } from '../errors';
import { isObject } from './is-object';
import { afterPendingIO, startTimer } from './timers';

/** What a function of the app threw or rejected with, if that was not an Error. `cause` is the original value. */
export class NotAnError extends Error {
  override readonly name = 'NotAnError';
}

/**
 * Calls a function that the app supplied. Returns its value, or a promise of it if it is asynchronous.
 *
 * @param name Names the function in errors.
 * @param ms How long a promise may take, in milliseconds.
 * @throws Always an Error, see {@link toError}. ERR_AI_DEADLINE if the promise does not settle in time.
 */
export function callApp<T>(name: string, call: () => T | PromiseLike<T>, ms: number): T | Promise<T> {
  let result: T | PromiseLike<T>;
  try {
    result = call();
    if (!isThenable(result)) return result;
  } catch (reason) {
    throw toError(reason, name);
  }
  const settled = settleWithin(name, result, ms);
  // Prevents an unhandled rejection if the caller fails before it awaits the promise.
  settled.catch(() => undefined);
  return settled;
}

/**
 * Calls a function of the app that must return its value at once.
 *
 * @throws Always an Error: see {@link toError}; a TypeError if the function returns a promise.
 */
export function callAppSync<T>(name: string, call: () => T): T {
  let result: T;
  try {
    result = call();
    if (!isThenable(result)) return result;
    void Promise.resolve(result).catch(() => undefined);
  } catch (reason) {
    throw toError(reason, name);
  }
  throw new TypeError(`${name} returned a promise: it must be synchronous`);
}

/**
 * Converts a thrown value to an Error. Express takes `next(undefined)`, `next(0)` and `next('route')` for success, so
 * nothing but an Error may reach `next`. The status of an object that is not an Error is kept.
 */
export function toError(reason: unknown, name: string): Error {
  if (reason instanceof Error || types.isNativeError(reason) || AiBalancerError.isInstance(reason)) {
    return reason;
  }
  const text = `${name} failed with ${kindOf(reason)} instead of an Error`;
  const error = new NotAnError(text, { cause: reason });
  if (!isObject(reason)) return error;
  const { status, expose, message } = reason;
  return Object.assign(error, {
    ...(typeof status === 'number' ? { status } : {}),
    ...(typeof expose === 'boolean' ? { expose } : {}),
    ...(typeof message === 'string' ? { message } : {}),
  });
}

/** Whether a value is a promise of any library. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as Partial<PromiseLike<T>>).then === 'function';
}

function settleWithin<T>(name: string, result: PromiseLike<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = startTimer(() => afterPendingIO(() => reject(unsettledError(name, ms))), ms);
    // A function that hangs does not keep the process alive.
    timer.unref();
    Promise.resolve(result)
      .finally(() => clearTimeout(timer))
      .then(resolve, (reason: unknown) => reject(toError(reason, name)));
  });
}

function unsettledError(name: string, ms: number): AiBalancerError {
  const message = `deadline exceeded: ${name} did not settle within ${ms.toLocaleString('en')} ms`;
  return new AiBalancerError('ERR_AI_DEADLINE', message, { status: 504, retryable: true });
}

/** The kind of a value. Never the text of a string, which may hold a secret. */
function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
