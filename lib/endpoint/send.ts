import type { BreakerTicket } from '../health/breaker-types';
import type { ExchangeOptions } from '../http/exchange';
import { UpstreamFailure } from '../http/upstream-failure';

/** `code` of an attempt that was not sent because another process is probing the endpoint. */
export const PROBED_ELSEWHERE = 'probed_elsewhere';

/**
 * Sends an attempt; a probe only once it has the cluster's probe lock, within the attempt's own time limit. If another
 * process has the lock, it throws an UpstreamFailure as for a stale socket: nothing was sent, so that the failure says
 * nothing about the endpoint and the call may go elsewhere at no cost.
 */
export async function sendWhenAllowed<T>(
  ticket: BreakerTicket,
  options: ExchangeOptions,
  send: (options: ExchangeOptions) => Promise<T>,
): Promise<T> {
  const lock = ticket.acquireProbeLock(options.limitMs);
  if (!lock) return send(options);
  const since = performance.now();
  if (!(await lock)) {
    const message = 'not sent: another process is probing this endpoint';
    throw new UpstreamFailure(
      { class: 'connection', code: PROBED_ELSEWHERE, message, staleSocket: true },
      false,
    );
  }
  return send({ ...options, limitMs: Math.max(1, options.limitMs - (performance.now() - since)) });
}
