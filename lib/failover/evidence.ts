import type { Call } from '../call/call';
import { fingerprint } from '../call/fingerprint';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import type { FailureClass } from '../failure/classes';
import type { UpstreamFailure } from '../http/upstream-failure';
import { BoundedMap } from '../util/bounded-map';

/** Failure classes that an unusual request can cause as well as a broken endpoint. */
const AMBIGUOUS: ReadonlySet<FailureClass> = new Set<FailureClass>(['server', 'bad_answer']);
/** The most failed requests that are remembered. */
const MAX_REQUESTS = 10_000;
/** How long a failed request, and the last request that an endpoint served, are remembered, in milliseconds. */
const MEMORY_MS = 60_000;

/** A request that has failed with an ambiguous class and that no endpoint has served since. */
interface FailedRequest {
  /** Names of the endpoints against which a failure of this request has already counted. */
  readonly endpoints: ReadonlySet<string>;
  readonly at: number;
}

/** Which of a call's failures count against endpoints. */
export interface CallEvidence {
  /** Digest of the request, computed when it is first needed. */
  digest: string | undefined;
  /** The failures that have counted against an endpoint and were not taken back. */
  counted: readonly { readonly endpoint: Endpoint; readonly class: FailureClass }[];
}

export function newCallEvidence(): CallEvidence {
  return { digest: undefined, counted: [] };
}

/**
 * Decides which failures count against an endpoint, so that one unusual request can't open the breakers that other
 * calls depend on:
 * - failures of the same request count once against an endpoint that serves other requests, until an endpoint serves
 *   it;
 * - a call that fails the same way at two endpoints that serve other requests is itself to blame: both failures are
 *   taken back. An endpoint counts as serving other requests if the last request that it served, less than a minute
 *   ago, had a prompt of another size. Comparing sizes avoids computing a digest of every served request.
 */
export class FailureEvidence {
  readonly #failed = new BoundedMap<string, FailedRequest>(MAX_REQUESTS);
  readonly #served = new WeakMap<Endpoint, { readonly at: number; readonly promptTokens: number }>();

  /** Settles the slot of a failed attempt and decides whether the failure counts against the endpoint. */
  fail(slot: EndpointSlot, failure: UpstreamFailure, call: Call, evidence: CallEvidence): void {
    const { endpoint } = slot;
    const kind = failure.detail.class;
    if (!AMBIGUOUS.has(kind)) {
      slot.fail(failure);
      return;
    }
    evidence.digest ??= fingerprint(call);
    const { digest } = evidence;
    const known = digest === undefined ? undefined : this.#recent(digest);
    const isKnown = known?.endpoints.has(endpoint.name) === true && this.#servesOthers(endpoint, call);
    const counts = slot.fail(failure, 0, isKnown);
    if (!counts) return;
    if (digest !== undefined) {
      const endpoints = new Set([...(known?.endpoints ?? []), endpoint.name]);
      this.#failed.set(digest, { endpoints, at: performance.now() });
    }
    const same = evidence.counted.filter((other) => other.class === kind && other.endpoint !== endpoint);
    const all = [...same, { endpoint }];
    if (same.length === 0 || !all.every((other) => this.#servesOthers(other.endpoint, call))) {
      evidence.counted = [...evidence.counted, { endpoint, class: kind }];
      return;
    }
    for (const other of all) other.endpoint.health.takeBackFailure(performance.now());
    evidence.counted = evidence.counted.filter((other) => !same.includes(other));
  }

  /**
   * Records that an endpoint has served a call. This shows that the request is valid, so that further failures of it
   * count.
   */
  recordServed(endpoint: Endpoint, { promptTokens }: Call, { digest }: CallEvidence): void {
    this.#served.set(endpoint, { at: performance.now(), promptTokens });
    if (digest !== undefined) this.#failed.delete(digest);
  }

  #servesOthers(endpoint: Endpoint, { promptTokens }: Call): boolean {
    const last = this.#served.get(endpoint);
    if (last === undefined || last.promptTokens === promptTokens) return false;
    return performance.now() - last.at < MEMORY_MS && endpoint.health.canTakeBack;
  }

  #recent(digest: string): FailedRequest | undefined {
    const known = this.#failed.get(digest);
    if (known === undefined || performance.now() - known.at < MEMORY_MS) return known;
    this.#failed.delete(digest);
    return undefined;
  }
}
