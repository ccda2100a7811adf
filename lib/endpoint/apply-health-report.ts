import type { HealthReportBus, ReceivedReport } from '../cluster/health-reports/health-reports';
import type { Quota } from '../quota/quota';
import type { Endpoint } from './endpoint';

/** Where news finds what it is about. */
export interface ReportTargets {
  endpoint(name: string): Endpoint | undefined;
  quota(name: string): Quota | undefined;
}

/** Brings what another process tells to the endpoint or the quotas it is about. What is not configured here is ignored. */
export function applyHealthReport(
  report: ReceivedReport,
  reports: HealthReportBus,
  targets: ReportTargets,
): void {
  const { report: item } = report;
  const endpoint = targets.endpoint(item.endpoint);
  if (item.kind !== 'quota') {
    endpoint?.applyReport(report);
    return;
  }
  if (endpoint?.isStaleReport(report)) return;
  let leftMs = 0;
  for (const name of new Set(item.quotas)) {
    const quota = targets.quota(name);
    if (quota) leftMs = Math.max(leftMs, coolDownQuota(quota, report, reports));
  }
  if (leftMs > 0) endpoint?.notifyQuotaCooldown(leftMs);
}

/** Milliseconds for which it now rests on that word; 0 where nothing changes. */
function coolDownQuota(quota: Quota, { from, leftMs }: ReceivedReport, reports: HealthReportBus): number {
  const now = performance.now();
  const until = reports.cooldownReports(quota.name).accept(from, leftMs, quota.cooldownUntil);
  if (until === undefined) return 0;
  // As for refusals of our own: the next one that names no time rests it for longer.
  if (quota.cooldownUntil <= now) quota.refusals++;
  quota.cooldownUntil = until;
  return until - now;
}
