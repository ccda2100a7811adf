import type { CallEvent } from '../balancer/events';

/**
 * Returns one line of a route log: the event 'call' as JSON, without the route report and with a line break. It
 * contains no prompt and no answer. `npx express-ai-balancer simulate --replay FILE` runs the calls of such a file
 * against another configuration.
 */
export function routeLogLine({ route: _route, ...fields }: CallEvent): string {
  return `${JSON.stringify(fields)}\n`;
}
