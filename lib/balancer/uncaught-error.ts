import { AiBalancerError } from '../errors';
import type { EventLog } from './event-log';

/** The logs of the calls that failed, so that the balancer's own logger is used. */
const logs = new WeakMap<object, EventLog>();
let isListening = false;

/**
 * If nobody catches the error of a call, Node.js ends the process: then one line of the log says how to prevent it. On
 * Express 4 every `async` handler without a `catch` does it. The listener only watches: it changes nothing of what
 * Node.js does.
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
