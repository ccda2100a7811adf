import type { HealthReports, ReceivedReport } from '../cluster/health-reports/health-reports';
import { COOLDOWN_CLASSES, type CooldownClass } from '../cluster/health-reports/message';
import type { FailureClass } from '../failure/classes';
import type { Breaker, BreakerTransition } from '../health/breaker';
import type { Quota } from '../quota/quota';
import type { EndpointCooldown } from './endpoint-cooldown';

/** A cooldown that ends at most this much later than the one already reported is not reported, in milliseconds. */
const MIN_PUBLISHED_EXTENSION_MS = 100;
/** A reported cooldown must end this much later than the current one to extend it, in milliseconds. */
const MIN_EXTENSION_MS = 50;
/**
 * A call that began this shortly before a report and was served outweighs the report, in milliseconds: a process whose
 * own network fails must not take a sound endpoint from its peers.
 */
const RECENTLY_SERVED_MS = 2_000;

export interface HealthReporterParts {
  readonly name: string;
  readonly reports: HealthReports;
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
  /** The time of the latest change of its breaker that is known, on Redis's clock. */
  #knownAt = -Infinity;
  /** When the latest served call began, on the clock of performance.now(); -Infinity if a call has failed since. */
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
      reports.publish({ kind: 'opened', endpoint: name, cooldownMs: openMs, stepMs });
    } else {
      reports.publish({ kind: 'closed', endpoint: name });
    }
  }

  recordFailure(): void {
    this.#lastServedAt = -Infinity;
  }

  /** A call that began at `startedAt` was served. */
  recordSuccess(startedAt: number): void {
    if (startedAt > this.#lastServedAt) this.#lastServedAt = startedAt;
  }

  /** A failure of our own cools the endpoint down. Other classes concern this process only. */
  reportCooldown(failure: FailureClass, cooldownMs: number): void {
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
    if (until <= this.#reportedQuotaCooldownUntil + MIN_PUBLISHED_EXTENSION_MS) return;
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
    this.#reportedQuotaCooldownUntil = 0;
    this.#resetAt = performance.now();
    this.#updateKnownAt();
  }

  /** Applies a peer's report about this endpoint. */
  apply(received: ReceivedReport): void {
    if (this.isStale(received)) return;
    const { report, at, leftMs } = received;
    if (report.kind === 'cooldown') {
      this.#applyCooldown(report.class, leftMs);
    } else if (at > this.#knownAt) {
      const { breaker } = this.#parts;
      const hasChanged =
        report.kind === 'opened' ? breaker.openOnReport(leftMs, report.stepMs) : breaker.closeOnReport();
      if (hasChanged) this.#knownAt = at;
    }
  }

  /** A peer's report of a 429 has cooled a quota of this endpoint down. */
  notifyQuotaCooldown(cooldownMs: number): void {
    this.#parts.onCooldown('rate_limited', cooldownMs);
  }

  /** Whether what this process knows is newer: a call was served, or the app has enabled the endpoint. */
  isStale({ localAt, report: { kind } }: ReceivedReport): boolean {
    if (localAt <= this.#resetAt) return true;
    if (kind === 'closed') return false;
    return localAt < this.#lastServedAt + (kind === 'quota' ? 0 : RECENTLY_SERVED_MS);
  }

  #applyCooldown(failure: CooldownClass, leftMs: number): void {
    const { cooldown, onCooldown } = this.#parts;
    const now = performance.now();
    if (now + leftMs <= Math.max(now, cooldown.ownUntil) + MIN_EXTENSION_MS) return;
    cooldown.extendTo(now + leftMs);
    onCooldown(failure, leftMs);
  }

  #updateKnownAt(): void {
    this.#knownAt = this.#parts.reports.now() ?? this.#knownAt;
  }
}
