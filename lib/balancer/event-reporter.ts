import type { EventEmitter } from 'node:events';
import type { BudgetEvent } from '../budget/budget';
import type { Call } from '../call/call';
import type { CanaryEvent } from '../canary/options';
import type { ClusterMode } from '../cluster/options';
import type { ResolvedConfig } from '../config/options';
import type { Endpoint } from '../endpoint/endpoint';
import { describeFailure, type EndpointState } from '../endpoint/unavailable-reason';
import { AiBalancerError } from '../errors';
import { reportedFailure } from '../failover/route-recorder';
import type { FailureDetail } from '../failure/detail';
import type { OnQuotaCorrected, QuotaLeft } from '../quota/quotas';
import type { AttemptReport, RouteReport } from '../route-report';
import type { ShadowEvent } from '../shadow/options';
import type { Redactor } from '../util/redactor';
import { attemptEvent, callEvent, callLine } from './call-event';
import type { CallObserver } from './call-observer';
import { EventLog } from './event-log';
import type { BalancerEvents, HedgeEvent, QueueEvent, QuotaLevels } from './events';
import type { TracedAnswer } from './traced-answer';
import { explainUncaught } from './uncaught-error';
import { configurationWarnings, cooldownWarning, neverServedWarning, redisWarning } from './warnings';

const MAX_REASON_CHARS = 300;

type ReporterConfig = Pick<ResolvedConfig, 'logger' | 'http'>;

/**
 * Emits the balancer's events and writes the log lines that go with them. A listener, observer or logger that throws or
 * rejects affects neither calls nor the process; its failure is counted. An event is only built if something reads it.
 */
export class EventReporter {
  /** Number of times that a listener, an observer or the logger threw or rejected. */
  listenerFailures = 0;
  /** The observers, which follow calls from start to end. */
  readonly observers = new Set<CallObserver>();
  readonly #emitter: EventEmitter<BalancerEvents>;
  readonly #log: EventLog;
  readonly #config: () => ReporterConfig;
  readonly #redactor: Redactor;

  /** @param config Called for every line, because a reload may replace the logger. */
  constructor(emitter: EventEmitter<BalancerEvents>, config: () => ReporterConfig, redactor: Redactor) {
    this.#emitter = emitter;
    this.#config = config;
    this.#log = new EventLog(
      () => config().logger,
      () => {
        this.listenerFailures++;
      },
    );
    this.#redactor = redactor;
  }

  /** Whether any observer is active. */
  get isObserved(): boolean {
    for (const observer of this.observers) if (observer.isActive?.() ?? true) return true;
    return false;
  }

  /** Calls `proceed`, which starts the call, exactly once, within the async contexts of all observers. */
  callStarted(call: Call, proceed: () => void): void {
    let hasStarted = false;
    let start = (): void => {
      if (hasStarted) return;
      hasStarted = true;
      proceed();
    };
    for (const observer of this.observers) {
      const inner = start;
      start = () => {
        this.#guard('observer', () => observer.started(call, inner));
        inner();
      };
    }
    start();
  }

  callEnded(call: Call, ended: RouteReport | undefined, error: unknown, traced?: TracedAnswer): void {
    if (error !== undefined) explainUncaught(error, this.#log);
    const isLogged = this.#log.writes('info');
    if (!isLogged && !this.isObserved && !this.#hasListeners('call')) return;
    const route = ended ?? (AiBalancerError.isInstance(error) ? error.route : undefined);
    const event = callEvent(call, route, error);
    for (const observer of this.observers) this.#guard('observer', () => observer.ended(call, event, traced));
    this.#emit('call', event);
    if (!isLogged) return;
    const { route: _route, ...fields } = event;
    this.#log.write('info', fields, callLine(event, error));
  }

  /**
   * @param brokeOff True if the attempt's stream broke off after its first content, with which the attempt had already
   * been reported as served.
   */
  attemptEnded(call: Call, endpoint: Endpoint, attempt: AttemptReport, brokeOff = false): void {
    if (attempt.class !== undefined && !brokeOff) this.#warnIfNeverServed(endpoint, attempt);
    const isLogged = this.#log.writes('debug');
    if (!isLogged && !this.isObserved && !this.#hasListeners('attempt')) return;
    const event = attemptEvent(call, endpoint, attempt, brokeOff);
    for (const observer of this.observers) this.#guard('observer', () => observer.attempted(call, event));
    this.#emit('attempt', event);
    if (!isLogged) return;
    const end = attempt.class === undefined ? 'served' : describeFailure(attempt);
    this.#log.write('debug', event, `attempt at endpoint '${endpoint.name}': ${end} after ${attempt.ms} ms`);
  }

  hedged(event: HedgeEvent): void {
    this.#emit('hedge', event);
  }

  restarted(call: Call, endpoint: string): void {
    this.#emit('restart', { requestId: call.context.requestId, endpoint });
  }

  budgetChanged(event: BudgetEvent): void {
    this.#emit('budget', event);
    const { change, scope, name, limit, limitUsd, spentUsd } = event;
    const whose = scope === 'total' ? 'in all' : `of the ${scope} '${name}'`;
    const reached = spentUsd < limitUsd ? 'has too little left for a call' : 'is spent';
    const state = change === 'near' ? 'is at 80 %' : reached;
    const spent = spentUsd.toFixed(spentUsd < 0.01 ? 6 : 2);
    const message = `the budget ${limit} ${whose} ${state}: $${spent} of $${limitUsd}`;
    // Not a warning: in normal operation, thousands of tenants may reach their budgets every day.
    if (scope === 'tenant') this.#log.write('info', event, message);
    else this.#log.warn(`budget ${change} ${scope} ${name} ${limit}`, event, message);
  }

  tenantForgotten(maxTenants: number): void {
    const message = `more than ${maxTenants} tenants call: what the one that called longest ago has spent is forgotten; raise budgets.perTenant.maxTenants, or keep budgets in Redis or a store`;
    this.#log.warn('tenant forgotten', { maxTenants }, message);
  }

  canaryEnded(event: CanaryEvent): void {
    this.#emit('canary', event);
    const { name, state, reason } = event;
    if (state === 'promoted') this.#log.write('info', event, `the canary '${name}' was promoted: ${reason}`);
    else this.#log.warn(`canary ${name}`, event, `the canary '${name}' was rolled back: ${reason}`);
  }

  shadowEnded(event: ShadowEvent): void {
    this.#emit('shadow', event);
    const { endpoint, failure, ms } = event;
    const end = failure === undefined ? 'answered' : `failed (${failure})`;
    this.#log.write('debug', event, `shadow at endpoint '${endpoint}': ${end} after ${ms} ms`);
  }

  queueChanged(event: QueueEvent): void {
    this.#emit('queue', event);
  }

  /**
   * Returns the function that emits 'quota' events for an endpoint; undefined if nobody listens to them, so that the
   * caller need not compare quota levels.
   */
  quotaListener(endpoint: string): OnQuotaCorrected | undefined {
    if (!this.#hasListeners('quota')) return undefined;
    return (before, after) => this.#emit('quota', { endpoint, before: levels(before), after: levels(after) });
  }

  breakerChanged(endpoint: Endpoint, state: EndpointState): void {
    if (!this.#hasListeners('breaker')) return;
    const reason = endpoint.unavailable.reason(performance.now());
    this.#emit('breaker', { endpoint: endpoint.name, state, ...(reason === undefined ? {} : { reason }) });
  }

  cooldownStarted(endpoint: Endpoint, detail: FailureDetail, cooldownMs: number, shouldWarn: boolean): void {
    const { name } = endpoint;
    const event = { endpoint: name, ...reportedFailure(detail), cooldownMs: Math.round(cooldownMs) };
    this.#emit('cooldown', event);
    if (!shouldWarn) return;
    const { message: reason, ...fields } = event;
    this.#log.warn(`${name} ${detail.class}`, { ...fields, reason }, cooldownWarning(endpoint, event));
  }

  /**
   * Logs the failure of an answer that was piped to a response, or of a stream that a client in this process reads
   * through fetch, because the app's code doesn't see the error.
   */
  pipeFailed(error: unknown, reader: 'response' | 'fetch' = 'response'): void {
    const code = AiBalancerError.isInstance(error) ? error.code : 'unknown';
    // Not logged: a client that disconnects is not a failure.
    if (code === 'ERR_AI_ABORTED') return;
    const why = AiBalancerError.isInstance(error)
      ? error.message.slice(0, 1_000)
      : 'a function of the app threw';
    this.#log.warn(
      `pipe ${code}`,
      { code },
      `${reader === 'fetch' ? 'a stream that is read through fetch' : 'an answer that was piped to a response'} failed: ${code}: ${why}`,
    );
  }

  clusterModeChanged(mode: ClusterMode, members: number, reason: string | undefined): void {
    const event = { mode, members };
    this.#emit('cluster', event);
    if (mode === 'shared') {
      this.#log.write('info', event, 'quotas are shared through Redis');
      return;
    }
    const text = reason && this.#redactor.redact(reason).slice(0, MAX_REASON_CHARS);
    this.#log.warn('redis', { ...event, reason: text }, redisWarning(mode, text));
  }

  clusterKeyUnusable(key: string): void {
    const message = `the key '${key}' in Redis has a wrong type: its limit is enforced as onOutage says; delete the key or use another cluster.prefix`;
    this.#log.write('warn', { key }, message);
  }

  /** Warns that a hook failed and that the call goes on without it. */
  hookFailed(name: string, error: Error): void {
    const reason = this.#redactor.redact(error.message).slice(0, MAX_REASON_CHARS);
    this.#log.warn(
      `hook ${name}`,
      { hook: name, reason },
      `${name} failed, and calls go on without it: ${reason}`,
    );
  }

  cacheFailed(error: unknown): void {
    const text = error instanceof Error ? this.#redactor.redact(error.message) : 'unknown';
    const reason = text.slice(0, MAX_REASON_CHARS);
    this.#log.warn('cache', { reason }, `the response cache failed, and calls go to endpoints: ${reason}`);
  }

  storeStateChanged(guard: string, isDown: boolean, error: unknown): void {
    const event = { guard, isDown };
    this.#emit('store', event);
    const store = `the Redis store of the rate limit guard '${guard}' is`;
    if (!isDown) {
      this.#log.write('info', event, `${store} available again`);
      return;
    }
    const text = error instanceof Error ? this.#redactor.redact(error.message) : 'unknown';
    const reason = text.slice(0, MAX_REASON_CHARS);
    const message = `${store} unavailable: each process counts on its own: ${reason}`;
    this.#log.warn(`store ${guard}`, { ...event, reason }, message);
  }

  /** Warns that requests to an endpoint leave out features of the call that the provider doesn't support. */
  featuresDropped(endpoint: string, features: readonly string[]): void {
    for (const feature of features) {
      const message = `endpoint '${endpoint}' can't do '${feature}': its requests are sent without it (docs/providers.md)`;
      this.#log.warn(`${endpoint} dropped ${feature}`, { endpoint, feature }, message);
    }
  }

  /** Warns of what is probably not wanted in a valid configuration, such as an environment variable that is not set. */
  configured(config: ResolvedConfig): void {
    for (const { fields, message } of configurationWarnings(config)) this.#log.write('warn', fields, message);
  }

  /** Counts and logs that a listener of an event threw or rejected. */
  listenerFailed(event: string): void {
    this.listenerFailures++;
    this.#log.write('error', { event }, `a listener of the event '${event}' failed`);
  }

  #warnIfNeverServed(endpoint: Endpoint, attempt: AttemptReport): void {
    const message = neverServedWarning(endpoint, attempt, this.#config().http.proxy);
    if (message !== undefined) this.#log.warn(`${endpoint.name} never served`, attempt, message);
  }

  #hasListeners(name: keyof BalancerEvents): boolean {
    return this.#emitter.listenerCount(name) > 0;
  }

  #emit<K extends keyof BalancerEvents>(name: K, event: BalancerEvents[K][0]): void {
    if (!this.#hasListeners(name)) return;
    this.#guard(name, () => (this.#emitter as EventEmitter).emit(name, event));
  }

  #guard(name: string, run: () => void): void {
    try {
      run();
    } catch {
      this.listenerFailed(name);
    }
  }
}

function levels({ requests, tokens }: QuotaLeft): QuotaLevels {
  return { ...(requests === undefined ? {} : { requests }), ...(tokens === undefined ? {} : { tokens }) };
}
