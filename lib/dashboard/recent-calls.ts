import type { CallEvent } from '../balancer/events';
import type { RouteReport, Verdict } from '../route-report';

/** Number of calls that are kept of each outcome. */
const KEPT = 20;
/**
 * Maximum number of calls of each outcome that are recorded per second, after a burst of KEPT. The page can't show
 * more, and every recorded call costs the garbage collector time.
 */
const RECORDED_PER_SECOND = 40;
/** Maximum number of verdicts that are shown: of candidates, and of endpoints that a filter removed. */
const MAX_CANDIDATES = 4;
const MAX_REMOVED = 3;
const MAX_ATTEMPTS = 12;
/** Maximum length of a request id, since a client can choose it. */
const MAX_ID_CHARS = 100;
const MAX_REASON_CHARS = 160;

/** Whether a call was served by the first endpoint it was sent to, by a later one, or not at all. */
export type CallOutcome = 'served' | 'rerouted' | 'failed';

/** How one call was served, for the page. */
export interface CallView {
  /** Sequence number of the call in this process. */
  readonly number: number;
  /** When it ended, as a Unix time in milliseconds. */
  readonly at: number;
  readonly requestId: string;
  readonly outcome: CallOutcome;
  readonly code?: string;
  readonly priority: number;
  readonly ms: number;
  readonly waitMs: number;
  readonly firstTokenMs?: number;
  readonly endpoint: string;
  readonly model: string;
  readonly tokens?: number;
  readonly costUsd?: number;
  readonly attempts: readonly {
    readonly endpoint: string;
    readonly class?: string;
    readonly status?: number;
    readonly ms: number;
    readonly hedge?: boolean;
  }[];
  /** The candidates with the best scores, then some of the endpoints that a filter removed. */
  readonly why: readonly Verdict[];
  /** Number of endpoints that were candidates; `removed` is the number that a filter removed. */
  readonly candidates: number;
  readonly removed: number;
}

interface KeptCall {
  readonly number: number;
  readonly at: number;
  readonly outcome: CallOutcome;
  readonly event: CallEvent;
  view?: CallView;
}

class KeptCalls {
  readonly calls: KeptCall[] = [];
  #tokens = KEPT;
  #refilledAt = -Infinity;

  /** Returns whether another call may be recorded now, and counts it if so. @param now Time of performance.now(). */
  takes(now: number): boolean {
    const refill = ((now - this.#refilledAt) / 1_000) * RECORDED_PER_SECOND;
    if (this.#tokens + refill < 1) return false;
    this.#tokens = Math.min(KEPT, this.#tokens + refill) - 1;
    this.#refilledAt = now;
    return true;
  }

  add(call: KeptCall): void {
    this.calls.push(call);
    if (this.calls.length > KEPT) this.calls.shift();
  }
}

/**
 * Keeps the latest calls of each outcome, or a sample of them at high rates. Recording a call keeps only its event;
 * verdicts and views are computed when the page requests them.
 */
export class RecentCalls {
  readonly #kept: Record<CallOutcome, KeptCalls> = {
    served: new KeptCalls(),
    rerouted: new KeptCalls(),
    failed: new KeptCalls(),
  };
  #number = 0;

  /** @param now Time of performance.now(). */
  record(event: CallEvent, now: number): void {
    const outcome = outcomeOf(event);
    const kept = this.#kept[outcome];
    this.#number++;
    if (kept.takes(now)) kept.add({ number: this.#number, at: Date.now(), outcome, event });
  }

  /** Sequence number of the last call. */
  get last(): number {
    return this.#number;
  }

  /** Returns the latest calls after that sequence number, at most `limit` of each outcome, oldest first. */
  after(number: number, limit = KEPT): CallView[] {
    return Object.values(this.#kept)
      .flatMap(({ calls }) => calls.filter((call) => call.number > number).slice(-limit))
      .sort((a, b) => a.number - b.number)
      .map((call) => (call.view ??= viewOf(call)));
  }
}

function outcomeOf({ failed, route }: CallEvent): CallOutcome {
  if (failed) return 'failed';
  return route && route.attempts.some((attempt) => attempt.class !== undefined) ? 'rerouted' : 'served';
}

function viewOf({ number, at, outcome, event }: KeptCall): CallView {
  const { route, code, priority, ms, requestId } = event;
  return {
    number,
    at,
    requestId: requestId.slice(0, MAX_ID_CHARS),
    outcome,
    ...(code === undefined ? {} : { code }),
    priority,
    ms: Math.round(ms),
    waitMs: route?.waitMs ?? 0,
    ...(route?.firstTokenMs === undefined ? {} : { firstTokenMs: route.firstTokenMs }),
    endpoint: route?.endpoint ?? '',
    model: route?.model ?? '',
    ...(route?.usage ? { tokens: route.usage.total_tokens } : {}),
    ...(route?.costUsd === undefined ? {} : { costUsd: route.costUsd }),
    attempts: (route?.attempts ?? [])
      .slice(-MAX_ATTEMPTS)
      .map(({ endpoint, class: failureClass, status, ms: attemptMs, hedge }) => ({
        endpoint,
        ...(failureClass === undefined ? {} : { class: failureClass }),
        ...(status === undefined ? {} : { status }),
        ms: attemptMs,
        ...(hedge ? { hedge } : {}),
      })),
    ...explainedBy(route),
  };
}

function explainedBy(route: RouteReport | undefined): Pick<CallView, 'why' | 'candidates' | 'removed'> {
  const verdicts = verdictsOf(route);
  const candidates = verdicts.filter(({ removedBy }) => removedBy === undefined);
  const removed = verdicts.filter(({ removedBy }) => removedBy !== undefined);
  const best = candidates.toSorted((a, b) => (a.score ?? 0) - (b.score ?? 0)).slice(0, MAX_CANDIDATES);
  return {
    why: [...best, ...removed.slice(0, MAX_REMOVED)].map(shortened),
    candidates: candidates.length,
    removed: removed.length,
  };
}

/** Returns the verdicts of a call; none if computing them throws, which a strategy of the app may do. */
function verdictsOf(route: RouteReport | undefined): readonly Verdict[] {
  try {
    return route?.why ?? [];
  } catch {
    return [];
  }
}

function shortened({ endpoint, removedBy, score, terms }: Verdict): Verdict {
  return {
    endpoint,
    ...(removedBy === undefined ? {} : { removedBy: removedBy.slice(0, MAX_REASON_CHARS) }),
    ...(score === undefined ? {} : { score: rounded(score) }),
    ...(terms === undefined
      ? {}
      : { terms: Object.fromEntries(Object.entries(terms).map(([name, value]) => [name, rounded(value)])) }),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
