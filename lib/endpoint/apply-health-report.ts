import type { HealthReportBus, ReceivedReport } from '../cluster/health-reports/health-reports';
import type { Quota } from '../quota/quota';
import type { Endpoint } from './endpoint';

/** Where a health report finds what it is about. */
export interface ReportTargets {
  endpoint(name: string): Endpoint | undefined;
  quota(name: string): Quota | undefined;
}

/** Applies a peer's health report to the endpoint or quotas it names. Names that are not configured here are ignored. */
export function applyHealthReport(
  report: ReceivedReport,
  reports: HealthReportBus,
  targets: ReportTargets,
): void {
  const { report: item } = report;
  const reporter = targets.endpoint(item.endpoint)?.healthReporter;
  if (item.kind !== 'quota') {
    reporter?.apply(report);
    return;
  }
  if (reporter?.isStale(report)) return;
  let cooldownMs = 0;
  for (const name of new Set(item.quotas)) {
    const quota = targets.quota(name);
    if (quota) cooldownMs = Math.max(cooldownMs, coolDownQuota(quota, report, reports));
  }
  if (cooldownMs > 0) reporter?.notifyQuotaCooldown(cooldownMs);
}

/** Milliseconds until the new end of its cooldown; 0 if nothing changes. */
function coolDownQuota(quota: Quota, { from, leftMs }: ReceivedReport, reports: HealthReportBus): number {
  const now = performance.now();
  const until = reports.cooldownReports(quota.name).accept(from, leftMs, quota.cooldownUntil);
  if (until === undefined) return 0;
  quota.coolDownOnReport(until, now);
  return until - now;
}
