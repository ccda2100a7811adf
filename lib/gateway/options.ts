import type { Request, RequestHandler } from 'express';
import { checkOptions } from '../balancer/check-options';
import type { AppContext } from '../call/check-options';
import { schemaFaults } from '../config/config-errors';
import { allowedHeaders, type ContextHeader, guardFaults } from '../config/middleware-options';
import { count, options, validator } from '../config/validators';
import type { RateLimitGuardOptions } from '../tenant/guard-options';
import { isObject } from '../util/is-object';

/**
 * The result of `authenticate`. `true` admits the request, a string admits it and names its tenant, an object admits it
 * and sets these fields of its context. `false`, undefined, null and an empty string refuse it with status 401.
 */
export type GatewayIdentity = boolean | string | AppContext | null | undefined;

/** Options of `aiGateway()`. */
export interface AiGatewayOptions {
  /**
   * Decides who may use the gateway; called before the body is read. Required, because every call costs money.
   * `false` opens the gateway to everyone who can reach it. Rejecting with something that is not an Error refuses the
   * request (401); an Error is passed to the app's error handler; after the balancer's `timeouts.totalMs` the request
   * ends with 504.
   */
  authenticate: ((req: Request) => GatewayIdentity | Promise<GatewayIdentity>) | false;
  /**
   * Limits for the tenants that `authenticate` names, or the guard that `rateLimitGuard()` returned for this balancer.
   * Applied when a call is made, after `authenticate`. Default: no guard.
   */
  guard?: RateLimitGuardOptions | RequestHandler | undefined;
  /**
   * The headers with which a client may set options of its calls, as for `smartRouter()`. The result of `authenticate`
   * overrides them. Default false.
   */
  allowHeaders?: boolean | readonly ContextHeader[] | undefined;
  /** The largest body that the gateway reads, in bytes after decompression. Default 10,485,760 (10 MiB). */
  maxBodyBytes?: number | undefined;
  /**
   * How long the headers of a stream are delayed to wait for its first content, in milliseconds. A failure before the
   * headers are sent gets its own HTTP status; a later one is sent as an event. Default Infinity. Set it below the idle
   * timeout of a proxy in front of the app.
   */
  headerDelayMs?: number | undefined;
}

const DEFAULTS = Object.freeze({ allowHeaders: false, maxBodyBytes: 10 * 2 ** 20, headerDelayMs: Infinity });

const SCHEMA = options({
  authenticate: validator<AiGatewayOptions['authenticate']>(
    'a function of the request, or false for a gateway that is open to everyone',
    (value) => typeof value === 'function' || value === false,
  ),
  guard: validator<AiGatewayOptions['guard']>(
    'options, or what rateLimitGuard() returned for this balancer',
    (value) => typeof value === 'function' || (typeof value === 'object' && value !== null),
  ).optional(),
  allowHeaders: allowedHeaders.optional(),
  maxBodyBytes: count.optional(),
  headerDelayMs: validator<number>(
    'milliseconds of at least 0, or Infinity',
    (value) => typeof value === 'number' && value >= 0,
  ).optional(),
});

/** @throws ERR_AI_CONFIG that lists every fault: option, expected, got. */
export function checkGatewayOptions(
  balancer: unknown,
  given: AiGatewayOptions,
): Required<Pick<AiGatewayOptions, 'authenticate' | 'allowHeaders' | 'maxBodyBytes' | 'headerDelayMs'>> {
  const faults = schemaFaults(given, SCHEMA.safeParse(given));
  if (isObject(given) && isObject(given.guard)) {
    faults.push(...guardFaults(given.guard).map((fault) => ({ ...fault, path: ['guard', ...fault.path] })));
  }
  checkOptions('gateway', balancer, faults);
  const { authenticate, allowHeaders, maxBodyBytes, headerDelayMs } = given;
  return {
    authenticate,
    allowHeaders: allowHeaders ?? DEFAULTS.allowHeaders,
    maxBodyBytes: maxBodyBytes ?? DEFAULTS.maxBodyBytes,
    headerDelayMs: headerDelayMs ?? DEFAULTS.headerDelayMs,
  };
}
