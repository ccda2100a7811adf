import type { HealthReports, ReceivedReport } from '../cluster/health-reports/health-reports';
import { COOLDOWN_CLASSES, type HealthReport } from '../cluster/health-reports/message';
import type { FailureClass } from '../failure/classes';
import type { Breaker } from '../health/breaker';
import type { BreakerTransition } from '../health/breaker-types';
import type { Quota } from '../quota/quota';
import type { EndpointCooldown } from './endpoint-cooldown';

/** A cooldown that ends at most this much later than the one already reported is not reported, in milliseconds. */
const MIN_PUBLISHED_EXTENSION_MS = 100;
/** A reported cooldown must end this much later than the current one to extend it, in milliseconds. */
const MIN_EXTENSION_MS = 50;
/** This many reported openings in a row are applied. Then a call of this process has to find out for itself. */
const MAX_OPENINGS_IN_A_ROW = 2;
/** After a call was served although a peer had reported a failing endpoint, such reports are ignored for this long. */
const REFUTED_MS = 60_000;

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
 * attempts have shown and never passes on a peer's report, so nothing echoes.
 */
export class HealthReporter {
  readonly #parts: HealthReporterParts;
  /** The time of the latest change of its breaker that is known, on Redis's clock. */
  #knownAt = -Infinity;
  /** When the latest served call began, on the clock of performance.now(). */
  #lastServedAt = -Infinity;
  /** Reports of a failing endpoint that were applied since the last call of this process ended. */
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

  /** A call that began at `startedAt` was served. */
  recordSuccess(startedAt: number): void {
    this.#lastServedAt = Math.max(this.#lastServedAt, startedAt);
    if (this.#unconfirmedReports > 0) this.#refutedUntil = performance.now() + REFUTED_MS;
    this.#unconfirmedReports = 0;
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
    // A process whose own network or key fails must not take a sound endpoint from its peers for long.
    if (performance.now() < this.#refutedUntil) return;
    if (
      report.kind === 'opened'
        ? this.#applyOpening(at, leftMs, report.stepMs)
        : this.#applyCooldown(report, leftMs)
    )
      this.#unconfirmedReports++;
  }

  /** A peer's report of a 429 has cooled a quota of this endpoint down. */
  notifyQuotaCooldown(cooldownMs: number): void {
    this.#parts.onCooldown('rate_limited', cooldownMs);
  }

  /** Whether what this process knows is newer: a call was served, or the app has enabled the endpoint. */
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

/** Where a health report finds what it is about. */
interface ReportTargets {
  endpoint(name: string): { readonly healthReporter: HealthReporter | undefined } | undefined;
  quota(name: string): Quota | undefined;
}

/** Applies a peer's health report to the endpoint or quotas it names. Names that are not configured here are ignored. */
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
