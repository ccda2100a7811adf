import type { Balancer } from '../balancer/balancer';
import type { BalancerEvents } from '../balancer/events';
import { CallHistory } from './call-history';
import { EndpointActivity } from './endpoint-activity';
import { RecentCalls } from './recent-calls';

const MONITORS = new WeakMap<Balancer, Monitor>();

/** What a dashboard remembers of its balancer: listens to the balancer's events from its creation on. */
export class Monitor {
  readonly history = new CallHistory();
  readonly activity = new EndpointActivity();
  readonly calls = new RecentCalls();

  /** The monitor of a balancer: one, however many dashboards it has. */
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
    balancer.on('attempt', ({ endpoint, class: failureClass, status }) => {
      const failure = failureClass && {
        class: failureClass,
        ...(status === undefined ? {} : { status }),
      };
      this.activity.recordAttempt(endpoint, failure, performance.now());
    });
  }

  #callEnded(event: BalancerEvents['call'][0]): void {
    const { code, ms, route } = event;
    const now = performance.now();
    const usd = route?.costUsd ?? 0;
    for (const attempt of route?.attempts ?? []) this.activity.recordFailure(attempt);
    if (route && usd > 0) this.activity.recordCost(route.endpoint, usd, now);
    // The caller left: the page counts it no more than stats() does.
    if (code === 'ERR_AI_ABORTED') return;
    const outcome = code === undefined ? 'ok' : code === 'ERR_AI_SATURATED' ? 'shed' : 'failed';
    this.history.record({ outcome, ms, usd }, now);
    this.calls.record(event);
  }
}
