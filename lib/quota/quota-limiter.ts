import Bottleneck from 'bottleneck';
import { badRequest } from '../errors';
import type { GrantRequest } from '../util/grant-request';
import { startTimer, type Timer } from '../util/timers';
import { DIMENSIONS, type Dimension } from './cost';
import type { QuotaLimit } from './limits';
import type { Quota } from './quota';

/** The first waiting job is retried at least this often, in milliseconds. */
const RETRY_MS = 250;
/** Settings of Bottleneck that would detach the reservoir from the quota. */
const RESERVOIR_SETTINGS = /^reservoir/;

/**
 * The Bottleneck limiters of an endpoint's quota, for other code that uses the same key. One for each limit per minute
 * that the endpoint or its `quotaGroup` has.
 */
export interface QuotaLimiters {
  /** Counts requests. Absent without `rpm`. */
  readonly requests?: Bottleneck;
  /** Counts tokens. Absent without one `tpm` for input and output together. */
  readonly tokens?: Bottleneck;
  /** Counts prompt tokens, if `tpm` limits them separately. */
  readonly input?: Bottleneck;
  /** Counts output tokens, if `tpm` limits them separately. */
  readonly output?: Bottleneck;
}

/** Creates the limiters of an endpoint on first use, so that a key used only by the balancer has no overhead. */
export class LimiterSet {
  readonly #endpoint: LimitedEndpoint;
  readonly #onCapacity: () => void;
  readonly #limiters = new Map<Dimension, QuotaLimiter>();

  /** @param onCapacity Called when units have come back that a queued call may be waiting for. */
  constructor(endpoint: LimitedEndpoint, onCapacity: () => void) {
    this.#endpoint = endpoint;
    this.#onCapacity = onCapacity;
  }

  get(): QuotaLimiters {
    const limited = DIMENSIONS.filter((dimension) =>
      this.#endpoint.quotas.some((quota) =>
        quota.limitsOf(dimension).some(({ name }) => name === `${dimension} per minute`),
      ),
    );
    return Object.fromEntries(limited.map((dimension) => [dimension, this.#limiter(dimension)]));
  }

  #limiter(dimension: Dimension): QuotaLimiter {
    const existing = this.#limiters.get(dimension);
    if (existing) return existing;
    const created = new QuotaLimiter(this.#endpoint, dimension, this.#onCapacity);
    this.#limiters.set(dimension, created);
    return created;
  }
}

interface LimitedEndpoint {
  readonly name: string;
  /** The quotas may change on reload. */
  readonly quotas: readonly Quota[];
}

type JobOptions = Bottleneck.EventInfo['options'];

type State =
  | { readonly kind: 'idle' }
  /** The units of the first job don't fit yet; the timer retries. */
  | { readonly kind: 'waiting'; readonly timer: Timer }
  /** The units of the first job are being taken. */
  | { readonly kind: 'taking' };

/**
 * A Bottleneck limiter whose reservoir is a limit of the quota. Its jobs take from the quota as calls of the balancer
 * do: the first waiting job gets its units as soon as they fit and it is its turn. Bottleneck's own reservoir holds
 * only what the quota has granted to the first job, so nothing is spent twice and no timer runs while no job waits.
 */
class QuotaLimiter extends Bottleneck {
  readonly #dimension: Dimension;
  readonly #endpoint: LimitedEndpoint;
  readonly #onCapacity: () => void;
  /** The waiting jobs by priority, 0 to 9, each in the order of arrival. */
  readonly #jobs = Array.from({ length: 10 }, () => new Map<string, number>());
  #state: State = { kind: 'idle' };
  /** Units taken from the quota that no job has used yet. */
  #granted = 0;
  #grantedAt = 0;

  constructor(endpoint: LimitedEndpoint, dimension: Dimension, onCapacity: () => void) {
    super({ id: `${endpoint.name}: ${dimension}`, reservoir: 0 });
    this.#endpoint = endpoint;
    this.#dimension = dimension;
    this.#onCapacity = onCapacity;
    this.#listen();
    const removeAll = this.removeAllListeners.bind(this);
    this.removeAllListeners = (name) => {
      removeAll(name);
      this.#listen(name);
    };
  }

  /** Resolves to the units left, negative while a debt is being paid off; null if the limit is no longer configured. */
  override async currentReservoir(): Promise<number | null> {
    const left = await this.#adjust(0);
    return left === Infinity ? null : left;
  }

  /** Adds units to the limit, or takes them if negative, whether they fit or not. Resolves to the units left. */
  override async incrementReservoir(units: number): Promise<number> {
    if (!Number.isFinite(units)) throw badRequest('incrementBy', `expected a finite number, got ${units}`);
    const left = await this.#adjust(-units);
    if (units > 0) this.#onCapacity();
    return left;
  }

  /** Whether a job of this weight could start now. */
  override async check(weight = 1): Promise<boolean> {
    return this.empty() && this.#waitMs(weight, performance.now()) === 0 && super.check(0);
  }

  /** @throws ERR_AI_BAD_REQUEST for reservoir settings, because the quota controls the reservoir. */
  override updateSettings(options: Bottleneck.ConstructorOptions = {}): Bottleneck {
    const setting = Object.keys(options).find((name) => RESERVOIR_SETTINGS.test(name));
    if (setting !== undefined)
      throw badRequest(setting, "the reservoir is the endpoint's quota: change its rpm or tpm instead");
    return super.updateSettings(options);
  }

  get #limits(): QuotaLimit[] {
    return this.#endpoint.quotas.flatMap((quota) => quota.limitsOf(this.#dimension));
  }

  get #firstWeight(): number | undefined {
    for (const jobs of this.#jobs) for (const weight of jobs.values()) return weight;
    return undefined;
  }

  /**
   * Listens to Bottleneck's events, the only way to follow its jobs.
   * @param name Registers only the listener of this event; all listeners if undefined.
   */
  #listen(name?: string): void {
    const listenTo = (event: 'queued' | 'scheduled' | 'dropped', listener: (options: JobOptions) => void) => {
      if (name !== undefined && name !== event) return;
      this.on(event as 'queued', ({ options }) => listener(options));
    };
    listenTo('queued', ({ id, weight, priority }) => {
      this.#jobs[priority]?.set(id, weight);
      this.#serveFirst();
    });
    // Also emitted before each retry of a job, which takes no further units.
    listenTo('scheduled', (options) => this.#removeJob(options, options.weight));
    listenTo('dropped', (options) => this.#removeJob(options, 0));
  }

  /** @param used Granted units that the job uses. */
  #removeJob({ id, priority }: JobOptions, used: number): void {
    if (!this.#jobs[priority]?.delete(id)) return;
    this.#granted -= used;
    if (this.#state.kind === 'waiting') {
      clearTimeout(this.#state.timer);
      this.#state = { kind: 'idle' };
    }
    this.#serveFirst();
  }

  #serveFirst(): void {
    if (this.#state.kind !== 'idle') return;
    const weight = this.#firstWeight;
    if (weight === undefined) {
      this.#finish();
      return;
    }
    const missing = weight - this.#granted;
    // Enough units are granted, so Bottleneck starts the job. A job whose weight is NaN never starts.
    if (!(missing > 0)) return;
    const now = performance.now();
    const limits = this.#limits;
    for (const limit of limits) limit.claim(missing, now, 'jobs');
    const waitMs = this.#waitMs(missing, now);
    if (waitMs === 0) {
      this.#state = { kind: 'taking' };
      void this.#take(limits, missing, now);
    } else this.#retryIn(Math.min(RETRY_MS, waitMs));
  }

  /** The timer keeps the process alive, as a running job does. */
  #retryIn(ms: number): void {
    const timer = startTimer(() => {
      this.#state = { kind: 'idle' };
      this.#serveFirst();
    }, Math.ceil(ms));
    this.#state = { kind: 'waiting', timer };
  }

  async #take(limits: readonly QuotaLimit[], units: number, now: number): Promise<void> {
    const requests = limits.map((limit): [QuotaLimit, GrantRequest | undefined] => [
      limit,
      limit.take(units, now, 'jobs'),
    ]);
    const decisions = await Promise.all(requests.flatMap(([, request]) => request?.decision ?? []));
    if (decisions.includes(false)) {
      // A limit that refused its request has already returned its own units.
      for (const [limit, request] of requests)
        if (request?.state !== 'refused') limit.put(units, performance.now(), now);
      this.#retryIn(RETRY_MS);
      return;
    }
    this.#granted += units;
    this.#grantedAt = now;
    await super.incrementReservoir(units);
    this.#state = { kind: 'idle' };
    this.#serveFirst();
  }

  /** Returns granted units that no job has used, once no job waits any more. */
  #finish(): void {
    for (const limit of this.#limits) limit.endJobs();
    const unused = this.#granted;
    if (unused <= 0) return;
    this.#granted = 0;
    void super.incrementReservoir(-unused);
    for (const limit of this.#limits) limit.put(unused, performance.now(), this.#grantedAt);
    this.#onCapacity();
  }

  #waitMs(units: number, now: number): number {
    let waitMs = 0;
    for (const quota of this.#endpoint.quotas) {
      waitMs = Math.max(waitMs, quota.cooldownUntil - now);
      for (const limit of quota.limitsOf(this.#dimension)) {
        waitMs = Math.max(waitMs, limit.waitMs(units, now, 'jobs'));
      }
    }
    return waitMs;
  }

  async #adjust(units: number): Promise<number> {
    const adjusted = this.#limits.map((limit) => limit.adjust(units));
    return Math.min(Infinity, ...(await Promise.all(adjusted)));
  }
}
