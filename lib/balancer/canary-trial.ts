import { isDeepStrictEqual } from 'node:util';
import type { Call } from '../call/call';
import { Canary } from '../canary/canary';
import type { CanaryStats, ResolvedCanary } from '../canary/options';
import type { ResolvedConfig } from '../config/options';
import { badRequest } from '../errors';
import type { CanaryRouting } from '../routing/plan';
import type { CallObserver } from './call-observer';
import type { EventReporter } from './event-reporter';
import type { AttemptEvent, CallEvent } from './events';

/** Lets an app read the state of its canary and end the trial. */
export interface CanaryHandle {
  /** Returns the state and the counts of the trial. */
  stats(): CanaryStats;
  /** Ends the trial and sends all calls that take part to the canary, until a reload with other canary options. */
  promote(): void;
  /**
   * Ends the trial and sends no calls of the trial to the canary, until a reload with other canary options.
   * @param reason Reason in the event and in the statistics. Default 'rolled back by the app'.
   */
  rollBack(reason?: string): void;
}

type CanaryConfig = Pick<ResolvedConfig, 'canary' | 'endpoints'>;

/** Holds the configured canary and passes it the results of attempts and calls. */
export class CanaryTrial implements CallObserver {
  readonly #events: EventReporter;
  #canary: Canary | undefined;
  #options: ResolvedCanary | undefined;

  constructor(events: EventReporter, config: CanaryConfig) {
    this.#events = events;
    this.configure(config);
  }

  get canary(): CanaryHandle | undefined {
    return this.#canary;
  }

  get routing(): CanaryRouting | undefined {
    return this.#canary;
  }

  /** Starts a new trial if the canary options have changed; otherwise the current trial goes on. */
  configure({ canary, endpoints }: CanaryConfig): void {
    if (isDeepStrictEqual(canary, this.#options)) return;
    this.#options = canary;
    this.#events.observers.delete(this);
    const settings = endpoints.find(({ name }) => name === canary?.endpoint);
    const served = settings && new Set([settings.model, ...settings.aliases]);
    this.#canary = canary && new Canary(canary, served, (event) => this.#events.canaryEnded(event));
    if (canary) this.#events.observers.add(this);
  }

  /**
   * @returns Whether the score was accepted.
   * @throws ERR_AI_BAD_REQUEST if the value is not a number from 0 to 1.
   */
  score(requestId: string, value: number): boolean {
    if (!(value >= 0 && value <= 1)) throw badRequest('value', `expected a number from 0 to 1, got ${value}`);
    return this.#canary?.score(requestId, value) ?? false;
  }

  started(_call: Call, proceed: () => void): void {
    proceed();
  }

  attempted(call: Call, { endpoint: name, model, class: failure, ms, brokeOff }: AttemptEvent): void {
    const isCanary = this.#canary?.has({ name, model }) ?? false;
    if (brokeOff) this.#canary?.brokeOff(call, isCanary);
    else this.#canary?.attempted(call, isCanary, failure, ms);
  }

  ended(call: Call, { failed, endpoint: name, model, costUsd }: CallEvent): void {
    if (failed || !this.#canary) return;
    this.#canary.answered(call, this.#canary.has({ name, model }), costUsd);
  }
}
