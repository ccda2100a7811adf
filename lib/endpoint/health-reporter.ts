import type { HealthReports, ReceivedReport } from '../cluster/health-reports/health-reports';
import { COOLDOWN_CLASSES, type HealthReport } from '../cluster/health-reports/message';
import type { FailureClass } from '../failure/classes';
import type { Breaker } from '../health/breaker';
import type { BreakerTransition } from '../health/breaker-types';
import type { Quota } from '../quota/quota';
import type { EndpointCooldown } from './endpoint-cooldown';

/** A cooldown is not reported if it ends at most this much later than the one already reported, in milliseconds. */
const MIN_PUBLISHED_EXTENSION_MS = 100;
/** A reported cooldown extends the current one only if it ends later by more than this, in milliseconds. */
const MIN_EXTENSION_MS = 50;
/**
 * Maximum number of consecutive reported openings that are applied. After that, this process tries the endpoint with a
 * call of its own.
 */
const MAX_OPENINGS_IN_A_ROW = 2;
/**
 * How long reports of a failing endpoint are ignored after a call was served despite such a report, in milliseconds.
 */
const REFUTED_MS = 60_000;

export interface HealthReporterParts {
  readonly name: string;
  readonly reports: HealthReports;
  readonly breaker: Breaker;
  readonly cooldown: EndpointCooldown;
  readonly quotas: () => readonly Quota[];
  /** Called when the endpoint or one of its quotas cools down because of a peer's report. */
  readonly onCooldown: (failure: FailureClass, cooldownMs: number) => void;
}

/**
 * Reports the state of one endpoint to the peers of a cluster, and applies their reports. It reports only what its own
 * attempts have shown and never passes on a peer's report, so that reports don't echo.
 */
export class HealthReporter {
  readonly #parts: HealthReporterParts;
  /** Time of the latest known change of the breaker, on Redis's clock. */
  #knownAt = -Infinity;
  /** The latest start time of all served attempts, on the clock of performance.now(). */
  #lastServedAt = -Infinity;
  /** Reports of a failing endpoint that were applied since this process's last served call or counted failure. */
  #unconfirmedReports = 0;
  #refutedUntil = -Infinity;
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
    this.#unconfirmedReports = 0;
    this.#refutedUntil = -Infinity;
  }

  /** Records that an attempt that began at `startedAt` was served. */
  recordSuccess(startedAt: number): void {
    this.#lastServedAt = Math.max(this.#lastServedAt, startedAt);
    if (this.#unconfirmedReports > 0) this.#refutedUntil = performance.now() + REFUTED_MS;
    this.#unconfirmedReports = 0;
  }

  /**
   * Reports a cooldown caused by an attempt of this process. Does nothing for failure classes that don't concern peers.
   */
  reportCooldown(failure: FailureClass, cooldownMs: number): void {
    const reported = COOLDOWN_CLASSES.find((known) => known === failure);
    if (reported === undefined) return;
    const { name, reports } = this.#parts;
    reports.publish({ kind: 'cooldown', endpoint: name, class: reported, cooldownMs });
  }

  /**
   * Reports a cooldown of the quotas caused by a 429 of this process's own. A cooldown that ends hardly later than the
   * one already reported is not reported again, so a burst of 429s usually causes one report.
   */
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

  /** Handles that the application has enabled the endpoint: earlier reports no longer matter. */
  reset(): void {
    this.#reportedQuotaCooldownUntil = 0;
    this.#unconfirmedReports = 0;
    this.#resetAt = performance.now();
    this.#parts.reports.withdraw(this.#parts.name);
    this.#updateKnownAt();
  }

  /** Applies a peer's report about this endpoint. */
  apply(received: ReceivedReport): void {
    if (this.isStale(received)) return;
    const { report, at, leftMs } = received;
    if (report.kind === 'closed') {
      if (at <= this.#knownAt || !this.#parts.breaker.closeOnReport()) return;
      this.#knownAt = at;
      this.#parts.reports.withdraw(this.#parts.name);
      return;
    }
    // Reports of failures are ignored for a while after a call was served despite one, so that a peer whose own network
    // or key fails can't keep a healthy endpoint out of rotation here.
    if (performance.now() < this.#refutedUntil) return;
    if (
      report.kind === 'opened'
        ? this.#applyOpening(at, leftMs, report.stepMs)
        : this.#applyCooldown(report, leftMs)
    )
      this.#unconfirmedReports++;
  }

  /** Notifies the listener that a peer's report of a 429 has cooled down a quota of this endpoint. */
  notifyQuotaCooldown(cooldownMs: number): void {
    this.#parts.onCooldown('rate_limited', cooldownMs);
  }

  /**
   * Whether this process has newer information than the report: a call was served, or the application has enabled the
   * endpoint.
   */
  isStale({ localAt, report }: ReceivedReport): boolean {
    return localAt <= this.#resetAt || (report.kind !== 'closed' && localAt < this.#lastServedAt);
  }

  #applyOpening(at: number, leftMs: number, stepMs: number): boolean {
    if (at <= this.#knownAt || this.#unconfirmedReports >= MAX_OPENINGS_IN_A_ROW) return false;
    const hasChanged = this.#parts.breaker.openOnReport(leftMs, stepMs);
    if (hasChanged) this.#knownAt = at;
    return hasChanged;
  }

  #applyCooldown(report: HealthReport, leftMs: number): boolean {
    const { cooldown, onCooldown } = this.#parts;
    const now = performance.now();
    if (report.kind !== 'cooldown' || !isLater(now + leftMs, cooldown.ownUntil, now)) return false;
    cooldown.extendTo(now + leftMs);
    onCooldown(report.class, leftMs);
    return true;
  }

  #updateKnownAt(): void {
    this.#knownAt = this.#parts.reports.now() ?? this.#knownAt;
  }
}

/** Looks up the endpoint and quotas that a health report names. */
interface ReportTargets {
  endpoint(name: string): { readonly healthReporter: HealthReporter | undefined } | undefined;
  quota(name: string): Quota | undefined;
}

/**
 * Applies a peer's health report to the endpoint or quotas that it names. Names that are not configured here are
 * ignored.
 */
export function applyHealthReport(received: ReceivedReport, targets: ReportTargets): void {
  const { report, leftMs } = received;
  const reporter = targets.endpoint(report.endpoint)?.healthReporter;
  if (report.kind !== 'quota') {
    reporter?.apply(received);
    return;
  }
  if (reporter?.isStale(received)) return;
  const now = performance.now();
  let isExtended = false;
  for (const name of new Set(report.quotas)) {
    const quota = targets.quota(name);
    if (!quota || !isLater(now + leftMs, quota.cooldownUntil, now)) continue;
    quota.coolDownOnReport(now + leftMs, now);
    isExtended = true;
  }
  if (isExtended) reporter?.notifyQuotaCooldown(leftMs);
}

/** Whether a reported cooldown extends the current one. */
function isLater(until: number, currentUntil: number, now: number): boolean {
  return until > Math.max(now, currentUntil) + MIN_EXTENSION_MS;
}
