import { AiBalancerError } from '../errors';
import type { EventLog } from './event-log';

/** For each error of a call, the log of the balancer that ran the call. */
const logs = new WeakMap<object, EventLog>();
let isListening = false;

/**
 * Logs how to prevent the crash when nobody catches the error of a call and Node.js ends the process. On Express 4 this
 * happens in every `async` handler without a `catch`. The listener only monitors: it does not change what Node.js does.
 */
export function explainUncaught(error: unknown, log: EventLog): void {
  if (!AiBalancerError.isInstance(error)) return;
  logs.set(error, log);
  if (isListening) return;
  isListening = true;
  process.on('uncaughtExceptionMonitor', (uncaught: unknown, origin) => {
    if (origin !== 'unhandledRejection' || !AiBalancerError.isInstance(uncaught)) return;
    const message = `nobody caught the error of a call (${uncaught.code}), and so Node.js ends the process; Express 4 does not catch the errors of async handlers: end them with .catch(next), or use Express 5`;
    logs.get(uncaught)?.write('error', { code: uncaught.code }, message);
  });
}
