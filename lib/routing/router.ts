import { latestStartAt } from '../call/call';
import type { Quota } from '../quota/quota';
import type { Explanation, Verdict } from '../route-report';
import { Affinity, affinityKey } from './affinity';
import { type AvailabilityOptions, type Obstacle, obstacleOf, PROBED_BESIDE, TRIED } from './availability';
import { candidateOf, routedCall } from './candidate';
import type { Option, Plan } from './plan';
import type { Candidate, RoutedCall, Score, ScoredStrategy, Strategy } from './strategy';

/** A fallback model or a later tier is used only when no earlier endpoint can start within this time, in milliseconds. */
const FALLBACK_DELAY_MS = 250;
/** Waiting for an endpoint beats using a free one when its score is better by more than this. */
const MIN_SCORE_GAIN = 0.8;

export interface PickOptions extends AvailabilityOptions {
  readonly triedProviders?: ReadonlySet<string>;
  /** Only report the choice: the state of the strategy does not change. */
  readonly peek?: boolean;
}

/** Computes the verdicts of a pick. It does not hold the call, so that a report which the app keeps holds no body. */
export type Verdicts = () => readonly Verdict[];

export type RouterPick = { readonly why: () => Verdicts } & (
  | { readonly kind: 'picked'; readonly option: Option }
  /** No capacity now, or waiting is better: for this quota (if known), for `waitMs`. */
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

/** The kinds of obstacles that end at a known time and are worth waiting for. */
const TIMED: ReadonlySet<Obstacle['kind']> = new Set(['quota', 'cooldown', 'breaker', 'slow-start']);

interface Blocked {
  readonly option: Option;
  readonly obstacle: Obstacle;
}

/** Picks an endpoint for a planned call: among those with capacity now, by the strategy, stage by stage. */
export class Router {
  readonly strategy: Strategy;
  readonly affinity: Affinity;

  constructor(strategy: Strategy, affinity: Affinity = new Affinity()) {
    this.strategy = strategy;
    this.affinity = affinity;
  }

  pick(plan: Plan, options: PickOptions): RouterPick {
    const trace = new Trace(plan, this.strategy, options);
    const pick = this.#pickByStage(plan, options, trace);
    // Where nothing else can start it, the call itself is the probe.
    const hasProbe = pick.kind !== 'picked' && trace.hasProbedBeside;
    return hasProbe ? this.pick(plan, { ...options, probing: 'by-call' }) : pick;
  }

  #pickByStage(plan: Plan, options: PickOptions, trace: Trace): RouterPick {
    for (const stage of plan.stages) {
      const free: Option[] = [];
      const blocked: Blocked[] = [];
      for (const option of stage) {
        const obstacle = obstacleOf(plan, option, options);
        if (obstacle) blocked.push({ option, obstacle });
        else free.push(option);
      }
      trace.addBlocked(blocked);
      if (free.length > 0) {
        const picked = this.#choose(plan, free, blocked, options, trace);
        if (picked) return picked;
      }
      // Neither a quota held for other calls nor a probe, which may fail, is a reason to skip a fallback.
      if (trace.quotaWaitMs <= FALLBACK_DELAY_MS) break;
    }
    return trace.noneAvailable();
  }

  /** Where the call would go now, and why. Changes no state. */
  explain(plan: Plan, options: Pick<PickOptions, 'now' | 'probing'>): Explanation {
    const pick = this.pick(plan, { ...options, peek: true });
    const verdicts = pick.why()();
    if (pick.kind === 'picked') return { pick: pick.option.endpoint.name, waitMs: 0, verdicts };
    if (pick.kind !== 'wait') return { verdicts };
    return {
      ...(pick.option ? { pick: pick.option.endpoint.name } : {}),
      ...(Number.isFinite(pick.waitMs) ? { waitMs: Math.ceil(pick.waitMs) } : {}),
      verdicts,
    };
  }

  #choose(
    plan: Plan,
    free: readonly Option[],
    blocked: readonly Blocked[],
    options: PickOptions,
    trace: Trace,
  ): RouterPick | undefined {
    const { now } = options;
    const call = routedCall(plan, now, options.triedProviders);
    let inFlight = 0;
    for (const { endpoint } of free) inFlight += endpoint.inFlight;
    const parts = {
      plan,
      affinity: this.affinity,
      affinityKey: affinityKey(plan.call),
      meanInFlight: inFlight / free.length,
      now,
    };
    const candidates = free.map((option) => candidateOf(option, parts));
    trace.setCandidates(call, candidates);
    if (isScored(this.strategy)) {
      const availableSoon = blocked.filter(
        ({ obstacle: { kind, waitMs } }) =>
          (kind === 'quota' || kind === 'cooldown') && waitMs < call.remainingMs,
      );
      if (availableSoon.length > 0) {
        const waiting = availableSoon.map(({ option, obstacle }) =>
          candidateOf(option, parts, obstacle.waitMs),
        );
        const better = this.strategy.best(call, waiting);
        if (better.score + MIN_SCORE_GAIN < this.strategy.best(call, candidates).score) {
          const found = availableSoon[waiting.indexOf(better.candidate)];
          if (found) return trace.waitFor(found);
        }
      }
    }
    const picked = options.peek ? this.#peek(call, candidates) : this.strategy.pick(call, candidates);
    const option = picked && free[candidates.indexOf(picked)];
    return option && { kind: 'picked', option, why: () => trace.why() };
  }

  /** A custom strategy without scores is asked to pick. */
  #peek(call: RoutedCall, candidates: readonly Candidate[]): Candidate | undefined {
    const scores = this.strategy.explain?.(call, candidates);
    return scores ? leastScored(candidates, scores) : this.strategy.pick(call, candidates);
  }
}

function leastScored(candidates: readonly Candidate[], scores: readonly Score[]): Candidate | undefined {
  let best: Candidate | undefined;
  let least = Infinity;
  for (const [index, candidate] of candidates.entries()) {
    const score = scores[index]?.score ?? Infinity;
    if (score >= least) continue;
    least = score;
    best = candidate;
  }
  return best;
}

function isScored(strategy: Strategy): strategy is ScoredStrategy {
  return 'best' in strategy;
}

/** The quota to hold against less dense calls. A call that waits for a recovery holds none: others may share it. */
function quotaWaitedFor({ option, obstacle }: Blocked): Quota | undefined {
  return obstacle.kind === 'quota' ? option.endpoint.quota : undefined;
}

/** Records one pick, so that the verdicts can be derived later if they are asked for. */
class Trace {
  readonly #plan: Plan;
  readonly #strategy: Strategy;
  readonly #now: number;
  readonly #remainingMs: number;
  readonly #blocked: Blocked[] = [];
  #call: RoutedCall | undefined;
  #candidates: readonly Candidate[] = [];
  #retryAfterMs = Infinity;
  #canWait = false;
  #isFull = false;
  /** Whether the call could start as a probe, at an endpoint that is otherwise probed beside a served call. */
  hasProbedBeside = false;
  /** The obstacle that ends first, among those worth waiting for. */
  #soonest: Blocked | undefined;
  /** The shortest wait for a quota or the end of a cooldown; Infinity without one before the deadline. */
  quotaWaitMs = Infinity;

  constructor(plan: Plan, strategy: Strategy, { now }: AvailabilityOptions) {
    this.#plan = plan;
    this.#strategy = strategy;
    this.#now = now;
    this.#remainingMs = latestStartAt(plan.call) - now;
  }

  addBlocked(blocked: readonly Blocked[]): void {
    for (const entry of blocked) {
      const { kind, waitMs } = entry.obstacle;
      this.#blocked.push(entry);
      if (entry.obstacle === PROBED_BESIDE) this.hasProbedBeside = true;
      if (waitMs < this.#retryAfterMs) this.#retryAfterMs = waitMs;
      if (kind === 'concurrency' || kind === 'probe' || kind === 'held') this.#canWait = true;
      if (kind === 'quota' || kind === 'slow') this.#isFull = true;
      if (waitMs >= this.#remainingMs || !TIMED.has(kind)) continue;
      if (waitMs < (this.#soonest?.obstacle.waitMs ?? Infinity)) this.#soonest = entry;
      if (kind === 'quota' || kind === 'cooldown') this.quotaWaitMs = Math.min(this.quotaWaitMs, waitMs);
    }
  }

  setCandidates(call: RoutedCall, candidates: readonly Candidate[]): void {
    this.#call = call;
    this.#candidates = candidates;
  }

  waitFor(entry: Blocked): RouterPick {
    const { option, obstacle } = entry;
    const on = quotaWaitedFor(entry);
    return { kind: 'wait', on, waitMs: obstacle.waitMs, option, why: () => this.why() };
  }

  noneAvailable(): RouterPick {
    const soonest = this.#soonest;
    if (soonest && !this.#canWait) return this.waitFor(soonest);
    const why = (): Verdicts => this.why();
    // A strategy that picks no candidate makes the call wait.
    if (this.#canWait || this.#candidates.length > 0)
      return { kind: 'wait', on: soonest && quotaWaitedFor(soonest), waitMs: Infinity, why };
    const retryAfterMs = Number.isFinite(this.#retryAfterMs) ? this.#retryAfterMs : undefined;
    return { kind: this.#isFull ? 'full' : 'down', retryAfterMs, why };
  }

  why(): Verdicts {
    const { call, removed, endpoints } = this.#plan;
    // The reasons are computed now because they may depend on the body.
    const byFilter = removed.map(({ option, filter }) => ({
      endpoint: option.endpoint.name,
      removedBy: filter.reason(call, option),
    }));
    return verdictsOf(
      this.#strategy,
      this.#call,
      this.#candidates,
      this.#blocked,
      byFilter,
      endpoints,
      this.#now,
    );
  }
}

/** Obstacles that an operator may want to end, and whose cause the endpoint remembers. */
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

/** A function of its own, so that nothing but its arguments is held. */
function verdictsOf(
  strategy: Strategy,
  call: RoutedCall | undefined,
  candidates: readonly Candidate[],
  blocked: readonly Blocked[],
  byFilter: readonly Verdict[],
  endpoints: Plan['endpoints'],
  pickedAt: number,
): Verdicts {
  return () => {
    const scores = call && strategy.explain?.(call, candidates);
    const verdicts: Verdict[] = candidates.map(({ name }, index) => {
      const score = scores?.[index];
      return { endpoint: name, ...(score ? { score: score.score, terms: { ...score.terms } } : {}) };
    });
    for (const entry of blocked) verdicts.push(verdictOf(entry, pickedAt));
    verdicts.push(...byFilter);
    const reported = new Set(verdicts.map(({ endpoint }) => endpoint));
    for (const { name } of endpoints) {
      if (!reported.has(name))
        verdicts.push({ endpoint: name, removedBy: 'not considered: other models or tiers come first' });
    }
    return verdicts;
  };
}
