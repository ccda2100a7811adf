import { type ExchangeOptions, UpstreamFailure } from '../http/exchange';

/** `code` of an attempt that was not sent because another process probes. */
export const PROBED_ELSEWHERE = 'probed_elsewhere';

/**
 * Sends a probe once its turn has come, within the time it has. Where another process probes, the attempt was never
 * sent: like one on a stale socket it says nothing of the endpoint, and the call may go elsewhere at no cost.
 */
export async function sendProbe<T>(
  probeLock: Promise<boolean>,
  options: ExchangeOptions,
  send: (options: ExchangeOptions) => Promise<T>,
): Promise<T> {
  const since = performance.now();
  if (!(await probeLock)) {
    const message = 'not sent: another process is finding out whether it answers again';
    throw new UpstreamFailure(
      { class: 'connection', code: PROBED_ELSEWHERE, message, staleSocket: true },
      false,
    );
  }
  return send({ ...options, limitMs: Math.max(1, options.limitMs - (performance.now() - since)) });
}
