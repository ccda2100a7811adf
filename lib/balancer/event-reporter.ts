import type { EventEmitter } from 'node:events';
import type { Call } from '../call/call';
import type { ClusterMode } from '../cluster/options';
import type { Logger } from '../config/options';
import type { Endpoint, EndpointState } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import type { FailureDetail } from '../failure/detail';
import type { RouteReport } from '../route-report';
import { isThenable } from '../util/app-function';
import type { Redactor } from '../util/redactor';
import type { BalancerEvents } from './events';

const MAX_REASON_CHARS = 200;

/**
 * Emits the balancer's events and writes the log lines that go with them. A listener or logger that throws or rejects
 * fails neither a call nor the process: the failure is counted.
 */
export class EventReporter {
  /** Failures of listeners and of the logger. */
  listenerFailures = 0;
  readonly #emitter: EventEmitter<BalancerEvents>;
  readonly #logger: () => Logger | undefined;
  readonly #redactor: Redactor;

  /** @param logger Called for every line, because a reload may replace the logger. */
  constructor(emitter: EventEmitter<BalancerEvents>, logger: () => Logger | undefined, redactor: Redactor) {
    this.#emitter = emitter;
    this.#logger = logger;
    this.#redactor = redactor;
  }

  callEnded(call: Call, error: unknown, ended: RouteReport | undefined): void {
    const known = AiBalancerError.isInstance(error) ? error : undefined;
    const route = ended ?? known?.route;
    this.#emit('call', {
      requestId: call.context.requestId,
      operation: call.operation,
      priority: call.context.priority,
      ms: performance.now() - call.startedAt,
      ...(known ? { code: known.code } : {}),
      ...(route ? { route } : {}),
    });
  }

  attemptEnded(call: Call, endpoint: Endpoint, detail: FailureDetail | undefined): void {
    this.#emit('attempt', {
      requestId: call.context.requestId,
      endpoint: endpoint.name,
      model: endpoint.settings.model,
      ...(detail ? { class: detail.class } : {}),
      ...(detail?.status === undefined ? {} : { status: detail.status }),
    });
  }

  breakerChanged(endpoint: Endpoint, state: EndpointState): void {
    this.#emit('breaker', { endpoint: endpoint.name, state });
  }

  cooldownStarted(endpoint: Endpoint, detail: FailureDetail, cooldownMs: number, shouldWarn: boolean): void {
    const event = { endpoint: endpoint.name, class: detail.class, cooldownMs: Math.round(cooldownMs) };
    this.#emit('cooldown', event);
    if (!shouldWarn) return;
    const message =
      detail.class === 'not_served'
        ? 'the endpoint serves none of its calls: check its baseURL (is /v1 missing?), its model and its permissions'
        : 'the endpoint takes no calls until the cooldown ends or the cause is fixed and the endpoint is enabled';
    this.#log('warn', { ...event, reason: detail.message.slice(0, MAX_REASON_CHARS) }, message);
  }

  clusterModeChanged(mode: ClusterMode, members: number, reason: string | undefined): void {
    const event = { mode, members };
    this.#emit('cluster', event);
    if (mode === 'shared') {
      this.#log('info', event, 'quotas are shared through Redis');
      return;
    }
    const fields = { ...event, reason: reason && this.#redactor.redact(reason) };
    this.#log('warn', fields, 'Redis is unavailable: quotas are enforced as onOutage says');
  }

  clusterKeyUnusable(key: string): void {
    const message =
      'a key in Redis has a wrong type: this limit is enforced as onOutage says; delete the key or use another cluster.prefix';
    this.#log('warn', { key }, message);
  }

  storeStateChanged(guard: string, isDown: boolean, error: unknown): void {
    const event = { guard, isDown };
    this.#emit('store', event);
    const store = 'the Redis store of the rate limit guard is';
    if (!isDown) {
      this.#log('info', event, `${store} available again`);
      return;
    }
    const text = error instanceof Error ? this.#redactor.redact(error.message) : 'unknown';
    const fields = { ...event, reason: text.slice(0, MAX_REASON_CHARS) };
    this.#log('warn', fields, `${store} unavailable: each process counts on its own`);
  }

  unknownModel(model: string): void {
    const message =
      'this model is not in the catalogue: neutral values for price, latency and quality are used';
    this.#log('warn', { model }, message);
  }

  /** A listener of an event threw or rejected. */
  listenerFailed(event: string): void {
    this.listenerFailures++;
    this.#log('error', { event }, 'a listener of this event failed');
  }

  #emit<K extends keyof BalancerEvents>(name: K, event: BalancerEvents[K][0]): void {
    if (this.#emitter.listenerCount(name) === 0) return;
    try {
      (this.#emitter as EventEmitter).emit(name, event);
    } catch {
      this.listenerFailed(name);
    }
  }

  #log(level: keyof Logger, fields: object, message: string): void {
    const onFailure = (): void => {
      this.listenerFailures++;
    };
    try {
      const result: unknown = this.#logger()?.[level](fields, message);
      if (isThenable(result)) Promise.resolve(result).catch(onFailure);
    } catch {
      onFailure();
    }
  }
}
