import { remainingMs, startBy } from '../call/call';
import type { Verdict } from '../call/report';
import type { Endpoint } from '../endpoint/endpoint';
import type { Quota } from '../endpoint/quota';
import type { Option, Plan } from './plan';
import type { Candidate, RoutedCall, Strategy } from './strategy';

/** A fallback model or a later tier is used only when no earlier endpoint can start within this time. */
const PATIENCE_MS = 250;

export interface PickOptions {
  readonly now: number;
  /** Endpoints that this call must not use now. */
  readonly excluded?: (endpoint: Endpoint) => boolean;
  /** Quotas kept free for calls that matter more. */
  readonly isHeld?: (quota: Quota) => boolean;
  readonly triedProviders?: ReadonlySet<string>;
}

export type Pick =
  | { readonly kind: 'picked'; readonly option: Option; readonly why: readonly Verdict[] }
  /** There is no room now; the soonest is on this quota, in so many milliseconds. */
  | { readonly kind: 'wait'; readonly on: Quota; readonly waitMs: number; readonly why: readonly Verdict[] }
  /** No quota is free before the deadline. */
  | { readonly kind: 'full'; readonly retryAfterMs: number | undefined; readonly why: readonly Verdict[] }
  /** Every endpoint is open, resting beyond the deadline, excluded or out. */
  | { readonly kind: 'down'; readonly retryAfterMs: number | undefined; readonly why: readonly Verdict[] };

/** How soon an endpoint could start, and what keeps it until then. */
interface Room {
  readonly waitMs: number;
  readonly removedBy: string;
  /** A quota or a rest can be waited for; what is down can't. */
  readonly kind: 'quota' | 'rest' | 'down';
}

const NO_PROVIDERS: ReadonlySet<string> = new Set();

/** Picks an endpoint for a planned call: those with room now, by the strategy, in the order of the stages. */
export class Router {
  constructor(readonly strategy: Strategy) {}

  pick(plan: Plan, options: PickOptions): Pick {
    const { now } = options;
    const why: Verdict[] = [];
    const remaining = startBy(plan.call) - now;
    let soonest: { option: Option; waitMs: number } | undefined;
    let retryAfterMs: number | undefined;
    let full = false;
    for (const stage of plan.stages) {
      const free: Option[] = [];
      for (const option of stage) {
        const room = roomOf(option, options);
        if (room === undefined) {
          free.push(option);
          continue;
        }
        why.push({ endpoint: option.endpoint.name, removedBy: room.removedBy });
        if (Number.isFinite(room.waitMs)) retryAfterMs = Math.min(retryAfterMs ?? Infinity, room.waitMs);
        full ||= room.kind === 'quota';
        if (room.kind !== 'down' && room.waitMs < remaining && room.waitMs < (soonest?.waitMs ?? Infinity)) {
          soonest = { option, waitMs: room.waitMs };
        }
      }
      const picked = free.length > 0 ? this.#choose(plan, free, options) : undefined;
      if (picked) {
        for (const { endpoint } of free) why.push({ endpoint: endpoint.name });
        return { kind: 'picked', option: picked, why: complete(plan, why) };
      }
      if (soonest !== undefined && soonest.waitMs <= PATIENCE_MS) break;
    }
    if (soonest === undefined)
      return { kind: full ? 'full' : 'down', retryAfterMs, why: complete(plan, why) };
    return {
      kind: 'wait',
      on: soonest.option.endpoint.quota,
      waitMs: soonest.waitMs,
      why: complete(plan, why),
    };
  }

  #choose(plan: Plan, free: readonly Option[], options: PickOptions): Option | undefined {
    const { call } = plan;
    const routed: RoutedCall = {
      operation: call.operation,
      stream: call.stream,
      context: call.context,
      promptTokens: call.promptTokens,
      expectedOutputTokens: call.expectedOutputTokens,
      remainingMs: remainingMs(call, options.now),
      triedProviders: options.triedProviders ?? NO_PROVIDERS,
    };
    const candidates = free.map((option) => candidateOf(option, routed, options.now));
    const picked = this.strategy.pick(routed, candidates);
    return picked && free.find(({ endpoint }) => endpoint.name === picked.name);
  }
}

/** What keeps an endpoint from starting this call now; undefined when nothing does. */
function roomOf({ endpoint, charge }: Option, { now, excluded, isHeld }: PickOptions): Room | undefined {
  if (endpoint.weight === 0) return { waitMs: Infinity, removedBy: 'weight: taken out', kind: 'down' };
  if (excluded?.(endpoint)) return { waitMs: Infinity, removedBy: 'tried: failed this call', kind: 'down' };
  const { breaker } = endpoint;
  if (!breaker.admits) {
    return { waitMs: breaker.opensInMs(now), removedBy: `breaker: ${breaker.state}`, kind: 'down' };
  }
  const rests = endpoint.restsUntil(now);
  if (rests > 0) return { waitMs: rests - now, removedBy: 'rest: it asked us to wait', kind: 'rest' };
  if (endpoint.inFlight >= endpoint.settings.maxConcurrent) {
    return { waitMs: PATIENCE_MS, removedBy: 'quota: all places are taken', kind: 'quota' };
  }
  const waitMs = endpoint.quotaWaitMs(charge, now);
  if (waitMs > 0) return { waitMs, removedBy: 'quota: no room now', kind: 'quota' };
  // It is there, but for others: not to be waited for in place of a fallback.
  if (isHeld?.(endpoint.quota)) {
    return { waitMs: PATIENCE_MS + 1, removedBy: 'queue: kept for calls that matter more', kind: 'quota' };
  }
  return undefined;
}

function candidateOf({ endpoint, costUsd }: Option, call: RoutedCall, now: number): Candidate {
  const { settings } = endpoint;
  const expected = endpoint.expect(call);
  return {
    name: endpoint.name,
    model: settings.model,
    provider: settings.provider,
    weight: endpoint.weight,
    quality: settings.quality,
    inFlight: endpoint.inFlight,
    expectedFirstTokenMs: expected.firstTokenMs,
    expectedMs: expected.totalMs,
    costUsd,
    usedShare: endpoint.quota.usedShare(now),
    failureShare: endpoint.failureShare.value(now),
    ramp: endpoint.breaker.ramp(now),
  };
}

function complete(plan: Plan, why: Verdict[]): readonly Verdict[] {
  for (const [endpoint, removedBy] of plan.removed) why.push({ endpoint, removedBy });
  return why;
}
