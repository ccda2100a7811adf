import type { Request } from 'express';
import { Balancer } from '../balancer/balancer';
import type { RequestContext } from '../call/context';
import { configError, faultAt, schemaFaults } from '../config/config-errors';
import { count, options, validator } from '../config/validators';

/**
 * What `authenticate` may say of a request. `true` lets it in, a string names its tenant, an object says more of its
 * context. `false`, undefined, null and an empty string refuse it.
 */
export type GatewayIdentity = boolean | string | Partial<RequestContext> | null | undefined;

export interface GatewayOptions {
  /**
   * Who may use the gateway; asked before the body is read. Required: a gateway spends someone's money. `false` said out
   * loud leaves it open to everyone who reaches it.
   */
  authenticate: ((req: Request) => GatewayIdentity | Promise<GatewayIdentity>) | false;
  /** The largest body that the gateway reads, in bytes. Default 10,485,760 (10 MiB). */
  maxBodyBytes?: number;
  /**
   * How long the headers of a stream wait for its first content, in milliseconds. Until then a failure has its own
   * status, after it an event tells. Default Infinity; less where a proxy in front gives up on a silent connection.
   */
  headerDelayMs?: number;
}

const DEFAULTS = Object.freeze({ maxBodyBytes: 10 * 2 ** 20, headerDelayMs: Infinity });

const SHAPE = {
  authenticate: validator<GatewayOptions['authenticate']>(
    'a function of the request, or false for a gateway that is open to everyone',
    (value) => typeof value === 'function' || value === false,
  ),
  maxBodyBytes: count.optional(),
  headerDelayMs: validator<number>(
    'milliseconds of at least 0, or Infinity',
    (value) => typeof value === 'number' && value >= 0,
  ).optional(),
};

/**
 * @param extraOptions Options of those who build on the gateway, by their checks.
 * @throws ERR_AI_CONFIG that lists every fault: option, expected, got.
 */
export function checkGatewayOptions(
  balancer: unknown,
  given: GatewayOptions,
  extraOptions: Parameters<typeof options>[0] = {},
): Required<GatewayOptions> {
  const parsed = options({ ...SHAPE, ...extraOptions }).safeParse(given);
  const faults = parsed.error ? schemaFaults(given, parsed.error.issues) : [];
  if (!Balancer.isInstance(balancer)) faults.unshift(faultAt({ balancer }, ['balancer'], 'a Balancer'));
  if (faults.length > 0) {
    throw configError(faults.map((fault) => ({ ...fault, path: ['gateway', ...fault.path] })));
  }
  const { authenticate, maxBodyBytes, headerDelayMs } = given;
  return {
    authenticate,
    maxBodyBytes: maxBodyBytes ?? DEFAULTS.maxBodyBytes,
    headerDelayMs: headerDelayMs ?? DEFAULTS.headerDelayMs,
  };
}
