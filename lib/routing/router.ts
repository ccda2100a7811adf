import type { Explanation } from '../route-report';
import type { Affinity } from './affinity';
import { type AvailabilityOptions, obstacleOf } from './availability';
import { candidateOf, routedCall } from './candidate';
import type { Option, Plan } from './plan';
import { type Candidate, isScored, type RoutedCall, type Score, type Strategy } from './strategy';
import { type RouterPick, Trace } from './trace';

export type { RouterPick } from './trace';

/**
 * A fallback model or a later tier is used only if no earlier endpoint can start the call within this time, in
 * milliseconds.
 */
const FALLBACK_DELAY_MS = 250;
/**
 * A call waits for a blocked endpoint if the endpoint's score, which includes the wait, is lower than that of the best
 * free endpoint by more than this.
 */
const MIN_SCORE_GAIN = 0.8;

export interface PickOptions extends AvailabilityOptions {
  readonly triedProviders?: ReadonlySet<string>;
  /**
   * Reports which endpoint would be picked, from all endpoints instead of a sample, without changing the state of the
   * strategy.
   */
  readonly peek?: boolean;
}

/**
 * Picks an endpoint for a planned call, stage by stage, by applying the strategy to the endpoints with free capacity.
 */
export class Router {
  readonly strategy: Strategy;
  readonly affinity: Affinity;

  constructor(strategy: Strategy, affinity: Affinity) {
    this.strategy = strategy;
    this.affinity = affinity;
  }

  pick(plan: Plan, options: PickOptions): RouterPick {
    const { sample } = plan;
    if (sample && !options.peek) {
      const pick = this.#pickByStage(
        plan,
        [sample.options],
        options,
        new Trace(plan, this.strategy, options.now, true),
      );
      if (pick.kind === 'picked') {
        sample.recordPick(pick.option.endpoint);
        return pick;
      }
    }
    const trace = new Trace(plan, this.strategy, options.now, false);
    const pick = this.#pickByStage(plan, plan.stages, options, trace);
    // If no other endpoint can start the call, the call itself is the probe.
    const hasProbe = pick.kind !== 'picked' && trace.hasProbedBeside;
    return hasProbe ? this.pick(plan, { ...options, probing: 'by-call' }) : pick;
  }

  #pickByStage(
    plan: Plan,
    stages: readonly (readonly Option[])[],
    options: PickOptions,
    trace: Trace,
  ): RouterPick {
    for (const stage of stages) {
      const free: Option[] = [];
      const firstBlocked = trace.blocked.length;
      for (const option of stage) {
        const obstacle = obstacleOf(plan, option, options);
        if (obstacle) trace.addBlocked(option, obstacle);
        else free.push(option);
      }
      if (free.length > 0) {
        const picked = this.#choose(plan, free, firstBlocked, options, trace);
        if (picked) return picked;
      }
      // Only a short wait for a quota or cooldown is a reason not to use a fallback. A quota held for other calls, for
      // which this one waits longer than the quota alone says, or a probe, which may fail, is not.
      if (trace.canStartWithin(FALLBACK_DELAY_MS, options.isHeld)) break;
    }
    return trace.noneAvailable();
  }

  /** Returns where the call would go now, and why. Changes no state. */
  explain(plan: Plan, options: Pick<PickOptions, 'now' | 'probing'>): Explanation {
    const peek = { ...options, peek: true };
    const first = this.pick(plan, peek);
    const trial = first.kind === 'full' ? this.pick(plan, { ...peek, triesSlow: true }) : first;
    const pick = trial.kind === 'picked' ? trial : first;
    const verdicts = pick.why();
    if (pick.kind === 'picked') return { pick: pick.option.endpoint.name, waitMs: 0, verdicts };
    if (pick.kind !== 'wait') return { verdicts };
    return {
      ...(pick.option ? { pick: pick.option.endpoint.name } : {}),
      ...(Number.isFinite(pick.waitMs) ? { waitMs: Math.ceil(pick.waitMs) } : {}),
      verdicts,
    };
  }

  /** @param firstBlocked Index at which the endpoints of this stage begin in `trace.blocked`. */
  #choose(
    plan: Plan,
    free: readonly Option[],
    firstBlocked: number,
    options: PickOptions,
    trace: Trace,
  ): RouterPick | undefined {
    const { now } = options;
    const call = routedCall(plan, now, options.triedProviders);
    let inFlight = 0;
    for (const { endpoint } of free) inFlight += endpoint.inFlight;
    const cached = this.affinity.cachedAt(plan.needs.affinityKey);
    const parts = { plan, cached, meanInFlight: inFlight / free.length, now };
    const candidates: Candidate[] = [];
    for (const option of free) candidates.push(candidateOf(option, parts));
    trace.setCandidates(call, candidates);
    if (isScored(this.strategy)) {
      const availableSoon = trace.blocked
        .slice(firstBlocked)
        .filter(
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
    return option && trace.picked(option);
  }

  /**
   * Returns the candidate with the lowest score, without changing the strategy's state. If the strategy returns no
   * scores, calls its `pick`, which may change its state.
   */
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
