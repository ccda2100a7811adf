import type { Balancer } from '../balancer/balancer';
import type { CallEvent } from '../balancer/events';
import { CallHistory } from './call-history';
import { EndpointActivity } from './endpoint-activity';
import { RecentCalls } from './recent-calls';

const MONITORS = new WeakMap<Balancer, Monitor>();

/** Records what dashboards show of a balancer. It listens to the balancer's events from its creation on. */
export class Monitor {
  readonly history = new CallHistory();
  readonly activity = new EndpointActivity();
  readonly calls = new RecentCalls();

  /** Returns the monitor of a balancer, which all of its dashboards share. */
  static of(balancer: Balancer): Monitor {
    let monitor = MONITORS.get(balancer);
    if (monitor === undefined) {
      monitor = new Monitor(balancer);
      MONITORS.set(balancer, monitor);
    }
    return monitor;
  }

  private constructor(balancer: Balancer) {
    balancer.on('call', (event) => this.#callEnded(event));
    balancer.on('attempt', (event) => this.activity.recordAttempt(event, performance.now()));
  }

  #callEnded(event: CallEvent): void {
    const { code, failed, ms, route } = event;
    const now = performance.now();
    const usd = route?.costUsd ?? 0;
    if (route && usd > 0) this.activity.recordCost(route.endpoint, usd, now);
    // Aborted calls are not counted, just as in stats().
    if (code === 'ERR_AI_ABORTED') return;
    const outcome = !failed ? 'ok' : code === 'ERR_AI_SATURATED' ? 'shed' : 'failed';
    this.history.record({ outcome, ms, usd }, now);
    this.calls.record(event, now);
  }
}
