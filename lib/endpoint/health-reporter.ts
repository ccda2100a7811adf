import type { HealthReportBus, ReceivedReport } from '../cluster/health-reports/health-reports';
import { COOLDOWN_CLASSES, type CooldownClass } from '../cluster/health-reports/message';
import { PeerBreakerReports } from '../cluster/health-reports/peer-breaker-reports';
import { PeerCooldownReports } from '../cluster/health-reports/peer-cooldown-reports';
import type { FailureClass } from '../failure/classes';
import type { Breaker, BreakerTransition } from '../health/breaker';
import type { Quota } from '../quota/quota';
import type { EndpointCooldown } from './endpoint-cooldown';

/** A cooldown that ends at most this much later than the one already reported is not reported, in milliseconds. */
const MIN_EXTENSION_MS = 100;

export interface HealthReporterParts {
  readonly name: string;
  readonly reports: HealthReportBus;
  readonly breaker: Breaker;
  readonly cooldown: EndpointCooldown;
  readonly quotas: () => readonly Quota[];
  /** The endpoint, or one of its quotas, cools down because of a peer's report. */
  readonly onCooldown: (failure: FailureClass, cooldownMs: number) => void;
}

/**
 * What one endpoint reports to the peers of a cluster, and what it applies of their reports. It reports only what its own
 * attempts have shown and never repeats a report, so nothing echoes.
 */
export class HealthReporter {
  readonly #parts: HealthReporterParts;
  readonly #breakerReports = new PeerBreakerReports();
  readonly #cooldownReports = new PeerCooldownReports();
  /** The time of the latest change of its breaker that is known, on Redis's clock. */
  #knownAt = -Infinity;
  /** When the latest served call began, on the clock of performance.now(). */
  #lastServedAt = -Infinity;
  #resetAt = -Infinity;
  #reportedQuotaCooldownUntil = 0;

  constructor(parts: HealthReporterParts) {
    this.#parts = parts;
  }

  reportTransition(transition: BreakerTransition): void {
    if (transition.to === 'half-open' || transition.cause !== 'observed') return;
    const { name, reports } = this.#parts;
    this.#updateKnownAt();
    if (transition.to === 'open') {
      const { openMs, stepMs } = transition;
      this.#breakerReports.reportOpened();
      reports.publish({ kind: 'opened', endpoint: name, cooldownMs: openMs, stepMs });
    } else {
      this.#breakerReports.recovered();
      reports.publish({ kind: 'closed', endpoint: name });
    }
  }

  recordFailure(): void {
    this.#breakerReports.recordFailure();
  }

  /** A call that began at `startedAt` was served. */
  recordSuccess(startedAt: number): void {
    if (startedAt > this.#lastServedAt) this.#lastServedAt = startedAt;
    this.#breakerReports.recordSuccess(startedAt);
    this.#cooldownReports.served(startedAt);
    for (const { name } of this.#parts.quotas()) this.#parts.reports.cooldownReports(name).served(startedAt);
  }

  /** A failure of our own cools the endpoint down. Other classes concern this process only. */
  reportCooldown(failure: FailureClass, cooldownMs: number): void {
    this.#cooldownReports.forget();
    const reported = COOLDOWN_CLASSES.find((known) => known === failure);
    if (reported === undefined) return;
    const { name, reports } = this.#parts;
    reports.publish({ kind: 'cooldown', endpoint: name, class: reported, cooldownMs });
  }

  /** A 429 of our own cools the quotas down. The answers of one burst are reported once, as far as possible. */
  reportQuotaCooldown(now: number): void {
    const { name, reports } = this.#parts;
    const quotas = this.#parts.quotas();
    const until = Math.max(...quotas.map(({ cooldownUntil }) => cooldownUntil));
    for (const quota of quotas) reports.cooldownReports(quota.name).forget();
    if (until <= this.#reportedQuotaCooldownUntil + MIN_EXTENSION_MS) return;
    this.#reportedQuotaCooldownUntil = until;
    reports.publish({
      kind: 'quota',
      endpoint: name,
      quotas: quotas.map((quota) => quota.name),
      cooldownMs: until - now,
    });
  }

  /** The app has enabled the endpoint: earlier reports no longer matter. */
  reset(): void {
    this.#breakerReports.forget();
    this.#cooldownReports.forget();
    for (const { name } of this.#parts.quotas()) this.#parts.reports.cooldownReports(name).forget();
    this.#reportedQuotaCooldownUntil = 0;
    this.#resetAt = performance.now();
    this.#updateKnownAt();
  }

  /** Applies a peer's report about this endpoint. */
  apply(report: ReceivedReport): void {
    if (this.isStale(report)) return;
    const { report: item, leftMs } = report;
    if (item.kind === 'opened') this.#applyOpened(report, leftMs, item.stepMs);
    else if (item.kind === 'closed') this.#applyClosed(report);
    else if (item.kind === 'cooldown') this.#applyCooldown(report, item.class);
  }

  /** A peer's report of a 429 has cooled a quota of this endpoint down. */
  notifyQuotaCooldown(cooldownMs: number): void {
    this.#parts.onCooldown('rate_limited', cooldownMs);
  }

  /** Whether the endpoint has served a call, or was enabled by the app, since the report. */
  isStale({ localAt, report: item }: ReceivedReport): boolean {
    if (localAt <= this.#resetAt) return true;
    return item.kind !== 'closed' && localAt < this.#lastServedAt;
  }

  #applyOpened({ from, at }: ReceivedReport, leftMs: number, stepMs: number): void {
    if (at <= this.#knownAt || !this.#breakerReports.believesOpening(from)) return;
    if (!this.#parts.breaker.openOnReport(leftMs, stepMs)) return;
    this.#knownAt = at;
    this.#breakerReports.acceptOpening(from);
  }

  #applyClosed({ from, at }: ReceivedReport): void {
    if (at <= this.#knownAt || !this.#breakerReports.believesRecovery(from)) return;
    if (!this.#parts.breaker.closeOnReport()) return;
    this.#knownAt = at;
    this.#breakerReports.acceptRecovery(from);
  }

  #applyCooldown({ from, leftMs }: ReceivedReport, failure: CooldownClass): void {
    const { cooldown, onCooldown } = this.#parts;
    const until = this.#cooldownReports.accept(from, leftMs, cooldown.ownUntil);
    if (until === undefined) return;
    cooldown.extendTo(until);
    onCooldown(failure, until - performance.now());
  }

  #updateKnownAt(): void {
    this.#knownAt = this.#parts.reports.now() ?? this.#knownAt;
  }
}
