import type { HealthReportBus, ReceivedReport } from '../cluster/health-reports/health-reports';
import { COOLDOWN_CLASSES, type CooldownClass } from '../cluster/health-reports/message';
import { PeerBreakerReports } from '../cluster/health-reports/peer-breaker-reports';
import { PeerCooldownReports } from '../cluster/health-reports/peer-cooldown-reports';
import type { FailureClass } from '../failure/classes';
import type { Breaker, BreakerCause } from '../health/breaker';
import type { Quota } from '../quota/quota';

/** A rest that ends at most so much later than what was told already is not told, in milliseconds. */
const MIN_EXTENSION_MS = 100;

/** The endpoint, as its witness sees it. */
export interface ReportedEndpoint {
  readonly name: string;
  readonly breaker: Breaker;
  readonly quotas: readonly Quota[];
  /** The end of its own rest, on the clock of performance.now(). */
  readonly ownCooldownUntil: number;
  /** Rests it until then, on another's word. */
  coolDownOnReport(failure: CooldownClass, until: number): void;
}

/**
 * What one endpoint tells the other processes, and what it believes of what they tell. It tells only what its own
 * attempts have shown: what was heard is not told again, so nothing echoes.
 */
export class HealthReporter {
  readonly #endpoint: ReportedEndpoint;
  readonly #reports: HealthReportBus;
  readonly #breaker = new PeerBreakerReports();
  readonly #cooldownReports = new PeerCooldownReports();
  /** The last that is known of its breaker, on Redis's clock. */
  #knownAt = -Infinity;
  /** When the latest call that was served began, on the clock of performance.now(). */
  #lastServedAt = -Infinity;
  #resetAt = -Infinity;
  #reportedQuotaCooldownUntil = 0;

  constructor(endpoint: ReportedEndpoint, reports: HealthReportBus) {
    this.#endpoint = endpoint;
    this.#reports = reports;
  }

  reportOpened(cause: BreakerCause, openMs: number, stepMs: number): void {
    if (cause !== 'shown') return;
    this.#breaker.reportOpened();
    this.#updateKnownAt();
    this.#reports.publish({ kind: 'opened', endpoint: this.#endpoint.name, cooldownMs: openMs, stepMs });
  }

  reportClosed(cause: BreakerCause): void {
    if (cause !== 'shown') return;
    this.#breaker.recovered();
    this.#updateKnownAt();
    this.#reports.publish({ kind: 'closed', endpoint: this.#endpoint.name });
  }

  recordFailure(): void {
    this.#breaker.recordFailure();
  }

  /** A call that began at `startedAt` was served. */
  recordSuccess(startedAt: number): void {
    if (startedAt > this.#lastServedAt) this.#lastServedAt = startedAt;
    this.#breaker.recordSuccess(startedAt);
    this.#cooldownReports.served(startedAt);
    for (const { name } of this.#endpoint.quotas) this.#reports.cooldownReports(name).served(startedAt);
  }

  reportCooldown(failure: FailureClass, cooldownMs: number): void {
    this.#cooldownReports.forget();
    const resting = COOLDOWN_CLASSES.find((known) => known === failure);
    if (resting !== undefined) {
      this.#reports.publish({
        kind: 'cooldown',
        endpoint: this.#endpoint.name,
        class: resting,
        cooldownMs: cooldownMs,
      });
    }
  }

  /** Its quotas rest after a 429 of ours. The answers of one burst are told as one, as far as they can be. */
  reportQuotaCooldown(now: number): void {
    const { name, quotas } = this.#endpoint;
    const until = Math.max(...quotas.map(({ cooldownUntil }) => cooldownUntil));
    for (const quota of quotas) this.#reports.cooldownReports(quota.name).forget();
    if (until <= this.#reportedQuotaCooldownUntil + MIN_EXTENSION_MS) return;
    this.#reportedQuotaCooldownUntil = until;
    this.#reports.publish({
      kind: 'quota',
      endpoint: name,
      quotas: quotas.map((quota) => quota.name),
      cooldownMs: until - now,
    });
  }

  /** Its rests were ended and its breaker closed by hand: news of before is of no account. */
  reset(): void {
    this.#breaker.forget();
    this.#cooldownReports.forget();
    for (const { name } of this.#endpoint.quotas) this.#reports.cooldownReports(name).forget();
    this.#reportedQuotaCooldownUntil = 0;
    this.#resetAt = performance.now();
    this.#updateKnownAt();
  }

  /** Takes news of this endpoint over, as far as it is believed. */
  applyReport(report: ReceivedReport): void {
    if (this.isStale(report)) return;
    const { report: item, leftMs } = report;
    if (item.kind === 'opened') this.#applyOpened(report, leftMs, item.stepMs);
    else if (item.kind === 'closed') this.#applyClosed(report);
    else if (item.kind === 'cooldown') this.#applyCooldown(report, item.class);
  }

  /** Whether the endpoint has served a call since, or was freed by hand since. */
  isStale({ localAt, report: item }: ReceivedReport): boolean {
    if (localAt <= this.#resetAt) return true;
    return item.kind !== 'closed' && localAt < this.#lastServedAt;
  }

  #applyOpened({ from, at }: ReceivedReport, leftMs: number, stepMs: number): void {
    if (at <= this.#knownAt || !this.#breaker.believesOpening(from)) return;
    if (!this.#endpoint.breaker.openOnReport(leftMs, stepMs)) return;
    this.#knownAt = at;
    this.#breaker.acceptOpening(from);
  }

  #applyClosed({ from, at }: ReceivedReport): void {
    if (at <= this.#knownAt || !this.#breaker.believesRecovery(from)) return;
    if (!this.#endpoint.breaker.closeOnReport()) return;
    this.#knownAt = at;
    this.#breaker.acceptRecovery(from);
  }

  #applyCooldown({ from, leftMs }: ReceivedReport, failure: CooldownClass): void {
    const until = this.#cooldownReports.accept(from, leftMs, this.#endpoint.ownCooldownUntil);
    if (until !== undefined) this.#endpoint.coolDownOnReport(failure, until);
  }

  #updateKnownAt(): void {
    this.#knownAt = this.#reports.now() ?? this.#knownAt;
  }
}
