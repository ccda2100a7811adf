import type { ReceivedReport } from '../cluster/health-reports/health-reports';
import type { Quota } from '../quota/quota';
import type { Endpoint } from './endpoint';

/** A reported cooldown must end this much later than the current one to extend it, in milliseconds. */
const MIN_EXTENSION_MS = 50;

/** Where a health report finds what it is about. */
export interface ReportTargets {
  endpoint(name: string): Endpoint | undefined;
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
    if (!quota || now + leftMs <= Math.max(now, quota.cooldownUntil) + MIN_EXTENSION_MS) continue;
    quota.coolDownOnReport(now + leftMs, now);
    isExtended = true;
  }
  if (isExtended) reporter?.notifyQuotaCooldown(leftMs);
}
