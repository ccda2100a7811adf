import { Observer } from '../../../bench/quota/observer';
import type { Member } from './member';

/** A call as it arrived at the provider. */
export interface Admission {
  /** On the machine's wall clock, in milliseconds. */
  readonly at: number;
  readonly model: string;
  readonly tokens: number;
}

/** A limit to check admissions against. */
export interface ObservedLimit {
  readonly unit: 'requests' | 'tokens';
  readonly perMinute: number;
  /** The depth of the bucket in seconds of the limit. Default 10. */
  readonly burstSeconds?: number;
}

const unitsOf = ({ tokens }: Admission, unit: ObservedLimit['unit']): number =>
  unit === 'requests' ? 1 : tokens;

/**
 * By how many units the worst window exceeded (depth + rate * t) * (1 + slack). At most 0 if the limit was kept in every
 * window.
 * @param slack Default 0.01.
 */
export function worstExcess(admissions: readonly Admission[], limit: ObservedLimit, slack = 0.01): number {
  const { perMinute, burstSeconds = 10, unit } = limit;
  const observer = new Observer();
  for (const admission of sorted(admissions)) observer.admit(admission.at, unitsOf(admission, unit));
  const depth = (perMinute / 60) * burstSeconds;
  return observer.depthNeeded(perMinute * (1 + slack)) - depth * (1 + slack);
}

/** Processes that are this late, in milliseconds, keep a limit all the same: their buckets have a margin for it. */
const MARGIN_MS = 300;

/**
 * Units that may exceed a limit because a busy machine let no process run for a time: calls that were sent one after
 * another arrive together. 0 on a machine with CPU to spare.
 */
export async function unitsLate(members: readonly Member[], { perMinute }: ObservedLimit): Promise<number> {
  const known = await Promise.allSettled(members.map((member) => member.cpu()));
  const late = known.map((result) => (result.status === 'fulfilled' ? result.value.lateMs : 0));
  // A call passes the event loops of the member and of the provider, each of them twice.
  return (Math.max(0, 4 * Math.max(...late) - MARGIN_MS) * perMinute) / 60_000;
}

/** Units that arrived from `from` until before `to`, on the machine's wall clock. */
export function unitsAdmitted(
  admissions: readonly Admission[],
  unit: ObservedLimit['unit'],
  from = -Infinity,
  to = Infinity,
): number {
  return admissions
    .filter(({ at }) => at >= from && at < to)
    .reduce((sum, admission) => sum + unitsOf(admission, unit), 0);
}

/** Units that arrived in that time, relative to rate * t. */
export function usedShare(
  admissions: readonly Admission[],
  { unit, perMinute }: ObservedLimit,
  from: number,
  to: number,
): number {
  return unitsAdmitted(admissions, unit, from, to) / ((perMinute / 60_000) * (to - from));
}

function sorted(admissions: readonly Admission[]): Admission[] {
  return [...admissions].sort((a, b) => a.at - b.at);
}
