import type { HeardNews, NewsDesk } from '../cluster/health-reports/health-reports';
import type { Quota } from '../quota/quota';
import type { Endpoint } from './endpoint';

/** Where news finds what it is about. */
export interface HearingParts {
  endpoint(name: string): Endpoint | undefined;
  quota(name: string): Quota | undefined;
}

/** Brings what another process tells to the endpoint or the quotas it is about. What is not configured here is ignored. */
export function hearNews(news: HeardNews, desk: NewsDesk, parts: HearingParts): void {
  const { item } = news;
  const endpoint = parts.endpoint(item.endpoint);
  if (item.kind !== 'quota') {
    endpoint?.hear(news);
    return;
  }
  if (endpoint?.isOldNews(news)) return;
  let leftMs = 0;
  for (const name of new Set(item.quotas)) {
    const quota = parts.quota(name);
    if (quota) leftMs = Math.max(leftMs, restQuota(quota, news, desk));
  }
  if (leftMs > 0) endpoint?.quotasRestAsTold(leftMs);
}

/** Milliseconds for which it now rests on that word; 0 where nothing changes. */
function restQuota(quota: Quota, { from, leftMs }: HeardNews, desk: NewsDesk): number {
  const now = performance.now();
  const until = desk.restsOf(quota.name).take(from, leftMs, quota.restsUntil);
  if (until === undefined) return 0;
  // As for refusals of our own: the next one that names no time rests it for longer.
  if (quota.restsUntil <= now) quota.refusals++;
  quota.restsUntil = until;
  return until - now;
}
