import { latestStartAt } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import type { Quota } from '../quota/quota';
import type { Verdict } from '../route-report';
import { type Obstacle, PROBED_BESIDE, TRIED } from './availability';
import type { CallNeeds } from './needs';
import type { Option, Plan, RemovedOption } from './plan';
import type { Candidate, RoutedCall, Strategy } from './strategy';

/**
 * Computes the verdicts of a pick. It does not hold the call, so that a report that the application keeps holds no
 * request body.
 */
export type Verdicts = () => readonly Verdict[];

export type RouterPick = { readonly why: Verdicts } & (
  | { readonly kind: 'picked'; readonly option: Option }
  /** There is no capacity now, or waiting is better: wait for this quota (if known), for `waitMs` milliseconds. */
  | {
      readonly kind: 'wait';
      readonly on: Quota | undefined;
      readonly waitMs: number;
      readonly option?: Option;
    }
  /** No endpoint can serve the call before its deadline. */
  | { readonly kind: 'full'; readonly retryAfterMs: number | undefined }
  /** Every endpoint is excluded, disabled, or does not recover in time for the call. */
  | { readonly kind: 'down'; readonly retryAfterMs: number | undefined }
);

export interface Blocked {
  readonly option: Option;
  readonly obstacle: Obstacle;
}

/** Kinds of obstacles that end at a known time and are worth waiting for. */
const TIMED: ReadonlySet<Obstacle['kind']> = new Set(['quota', 'cooldown', 'breaker', 'slow-start']);

/** What one pick has found so far. The verdicts are derived from it on demand. */
export class Trace {
  readonly #facts: Facts;
  readonly #remainingMs: number;
  #retryAfterMs = Infinity;
  #canWait = false;
  #isFull = false;
  /** Whether the call could start as a probe at an endpoint that is otherwise probed alongside a served call. */
  hasProbedBeside = false;
  /** Of the obstacles worth waiting for, the one that ends first. */
  #soonest: Blocked | undefined;
  /** Shortest wait for a quota or the end of a cooldown; undefined if none ends before the deadline. */
  #quotaWait: Blocked | undefined;

  /** @param isSample Whether only the sample of the plan is considered. */
  constructor(plan: Plan, strategy: Strategy, now: number, isSample: boolean) {
    this.#facts = {
      strategy,
      needs: plan.needs,
      endpoints: plan.endpoints,
      removed: isSample ? [] : plan.removed,
      isSample,
      at: now,
      call: undefined,
      candidates: [],
      blocked: [],
    };
    this.#remainingMs = latestStartAt(plan.call) - now;
  }

  addBlocked(option: Option, obstacle: Obstacle): void {
    const { kind, waitMs } = obstacle;
    const entry = { option, obstacle };
    this.#facts.blocked.push(entry);
    if (obstacle === PROBED_BESIDE) this.hasProbedBeside = true;
    if (waitMs < this.#retryAfterMs) this.#retryAfterMs = waitMs;
    if (kind === 'concurrency' || kind === 'probe' || kind === 'held') this.#canWait = true;
    if (kind === 'quota' || kind === 'slow') this.#isFull = true;
    if (waitMs >= this.#remainingMs || !TIMED.has(kind)) return;
    if (waitMs < (this.#soonest?.obstacle.waitMs ?? Infinity)) this.#soonest = entry;
    const isShorter = waitMs < (this.#quotaWait?.obstacle.waitMs ?? Infinity);
    if (isShorter && (kind === 'quota' || kind === 'cooldown')) this.#quotaWait = entry;
  }

  /** Whether a quota refills or a cooldown ends within `ms`, and the quota is not held for other calls. */
  canStartWithin(ms: number, isHeld: ((quota: Quota) => boolean) | undefined): boolean {
    const wait = this.#quotaWait;
    if (wait === undefined || wait.obstacle.waitMs > ms) return false;
    const quota = quotaWaitedFor(wait);
    return quota === undefined || isHeld?.(quota) !== true;
  }

  /** Blocked endpoints of the current stage and the earlier ones. */
  get blocked(): readonly Blocked[] {
    return this.#facts.blocked;
  }

  setCandidates(call: RoutedCall, candidates: readonly Candidate[]): void {
    this.#facts.call = call;
    this.#facts.candidates = candidates;
  }

  picked(option: Option): RouterPick {
    return { kind: 'picked', option, why: this.#why() };
  }

  waitFor(entry: Blocked): RouterPick {
    const { option, obstacle } = entry;
    return {
      kind: 'wait',
      on: quotaWaitedFor(entry),
      waitMs: obstacle.waitMs,
      option,
      why: this.#why(),
    };
  }

  noneAvailable(): RouterPick {
    const soonest = this.#soonest;
    if (soonest && !this.#canWait) return this.waitFor(soonest);
    const why = this.#why();
    // A strategy that picks no candidate makes the call wait.
    if (this.#canWait || this.#facts.candidates.length > 0)
      return { kind: 'wait', on: soonest && quotaWaitedFor(soonest), waitMs: Infinity, why };
    const retryAfterMs = Number.isFinite(this.#retryAfterMs) ? this.#retryAfterMs : undefined;
    return { kind: this.#isFull ? 'full' : 'down', retryAfterMs, why };
  }

  #why(): Verdicts {
    const facts = this.#facts;
    return () => verdictsOf(facts);
  }
}

/**
 * The quota to hold against less dense calls. A call that waits for a recovery holds none, so that others may use it.
 */
function quotaWaitedFor({ option, obstacle }: Blocked): Quota | undefined {
  return obstacle.kind === 'quota' ? option.endpoint.quota : undefined;
}

/** The data from which verdicts are computed. */
interface Facts {
  readonly strategy: Strategy;
  readonly needs: CallNeeds;
  readonly endpoints: readonly Endpoint[];
  readonly removed: readonly RemovedOption[];
  readonly isSample: boolean;
  /** When the endpoints were compared, on the clock of performance.now(). */
  readonly at: number;
  call: RoutedCall | undefined;
  candidates: readonly Candidate[];
  readonly blocked: Blocked[];
}

function verdictsOf(facts: Facts): Verdict[] {
  const { strategy, needs, call, candidates, blocked, removed, at } = facts;
  const scores = call && strategy.explain?.(call, candidates);
  const verdicts: Verdict[] = candidates.map(({ name }, index) => {
    const score = scores?.[index];
    return { endpoint: name, ...(score ? { score: score.score, terms: { ...score.terms } } : {}) };
  });
  for (const entry of blocked) verdicts.push(verdictOf(entry, at));
  for (const { endpoint, costUsd, removal } of removed)
    verdicts.push({ endpoint: endpoint.name, removedBy: removal.reason(needs, endpoint, costUsd) });
  const reported = new Set(verdicts.map(({ endpoint }) => endpoint));
  const removedBy = facts.isSample
    ? 'not considered: not in the sample of the large fleet'
    : 'not considered: other models or tiers come first';
  for (const { name } of facts.endpoints)
    if (!reported.has(name)) verdicts.push({ endpoint: name, removedBy });
  return verdicts;
}

/** Obstacles that an operator may want to remove, and whose cause the endpoint remembers. */
const EXPLAINED: ReadonlySet<Obstacle['kind']> = new Set(['cooldown', 'breaker', 'probe', 'down']);

/** @param pickedAt When the obstacle was found, on the clock of performance.now(). */
function verdictOf({ option, obstacle }: Blocked, pickedAt: number): Verdict {
  const { endpoint } = option;
  const { kind, removedBy, waitMs } = obstacle;
  const now = performance.now();
  const isKnown = Number.isFinite(waitMs) && waitMs > 0 && kind !== 'slow-start';
  const reason =
    EXPLAINED.has(kind) && removedBy !== TRIED.removedBy ? endpoint.unavailable.reason(now) : undefined;
  return {
    endpoint: endpoint.name,
    removedBy: reason === undefined ? removedBy : `${removedBy.slice(0, removedBy.indexOf(':'))}: ${reason}`,
    ...(isKnown ? { until: Math.round(Date.now() - now + pickedAt + waitMs) } : {}),
  };
}
