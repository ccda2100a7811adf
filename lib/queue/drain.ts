import { IndexedHeap } from './heap';
import type { Entry, Lane } from './pool';
import type { Pools } from './pools';
import type { Resource, StartResult } from './queued-call';
import { before } from './value-density';

/**
 * How many unsuccessful tries one drain may make in a pool that don't hold a further resource. The first try of each
 * lane doesn't count.
 */
const SPARE_TRIES = 4;
/** Most calls that one drain starts or sheds, so that it never blocks the event loop for long. */
const MAX_REMOVALS = 512;

/** Receives the calls that a drain removes from the queue. */
export interface DrainCallbacks<Slot> {
  started(entry: Entry<Slot>, slot: Slot): void;
  failed(entry: Entry<Slot>, error: Error): void;
  /** The call cannot start before its latest start time. `waitMs` is a lower bound on its wait. */
  tooLate(entry: Entry<Slot>, waitMs: number): void;
}

/**
 * One pass over the heads of the lanes, in descending order of rank. A blocked call holds the resource on which it
 * could start soonest: calls of lower rank and calls behind it in its own lane can't take that resource. The number of
 * tries is bounded by the number of removed calls, plus the number of resources, plus nine per pool, no matter how many
 * calls wait.
 */
export class Drain<Slot> {
  readonly #pools: Pools<Slot>;
  readonly #callbacks: DrainCallbacks<Slot>;
  readonly #lanes = new IndexedHeap<'inDrain', Lane<Slot>>('inDrain', before);
  readonly #skipped: Entry<Slot>[] = [];
  #removals = 0;
  #nextAt = Infinity;
  #rank = -Infinity;
  #hasMetHeld = false;

  readonly #isHeld = (resource: Resource): boolean => {
    const held = (this.#pools.contestedResource(resource)?.heldBy ?? -Infinity) >= this.#rank;
    if (held) this.#hasMetHeld = true;
    return held;
  };

  constructor(pools: Pools<Slot>, callbacks: DrainCallbacks<Slot>) {
    this.#pools = pools;
    this.#callbacks = callbacks;
  }

  /**
   * Starts every call that can start. Returns the earliest time at which another call could start, on the clock of
   * performance.now().
   */
  run(now: number): number {
    this.#begin(now);
    for (let lane = this.#lanes.first; lane !== undefined; lane = this.#lanes.first) {
      if (this.#removals >= MAX_REMOVALS) {
        this.#nextAt = now;
        break;
      }
      if (!this.#tryHead(lane, now) || !lane.updateRank()) this.#lanes.remove(lane);
      else this.#lanes.update(lane);
    }
    this.#end();
    return this.#nextAt;
  }

  #begin(now: number): void {
    this.#removals = 0;
    this.#nextAt = Infinity;
    for (const contested of this.#pools.contestedResources()) contested.heldBy = -Infinity;
    for (const pool of this.#pools.values()) {
      pool.spareTries = SPARE_TRIES;
      pool.opensAt = pool.size > 0 ? pool.findOpen(now) : Infinity;
      this.#nextAt = Math.min(this.#nextAt, pool.opensAt);
      for (const lane of pool.lanes) {
        if (lane === undefined) continue;
        lane.maxRank = Infinity;
        if (lane.updateRank()) this.#lanes.add(lane);
      }
    }
  }

  #end(): void {
    this.#lanes.clear();
    for (const entry of this.#skipped) {
      if (!entry.isGone) entry.pool?.lane(entry.call.priority).fairness.putBack(entry);
    }
    this.#skipped.length = 0;
  }

  /** Tries to start the head of a lane. Returns false if the lane is finished for this drain. */
  #tryHead(lane: Lane<Slot>, now: number): boolean {
    const { pool } = lane;
    const entry = lane.fairness.next;
    if (entry === undefined || pool.isAllHeld(lane.rank)) return false;
    const isFirst = lane.maxRank === Infinity;
    if (!isFirst && pool.spareTries <= 0) return false;

    const result = this.#tryEntry(entry, lane.rank);
    if (result.kind === 'started') {
      pool.opensAt = 0;
      this.#removals += 1;
      this.#callbacks.started(entry, result.slot);
    } else if (result.kind === 'hopeless') {
      this.#removals += 1;
      this.#callbacks.failed(entry, result.error);
    } else if (
      !this.#hasMetHeld &&
      Number.isFinite(result.waitMs) &&
      now + result.waitMs > entry.latestStartAt
    ) {
      this.#removals += 1;
      this.#callbacks.tooLate(entry, result.waitMs);
    } else {
      this.#block(lane, entry, result, isFirst, now);
    }
    return true;
  }

  #tryEntry(entry: Entry<Slot>, rank: number): StartResult<Slot> {
    this.#rank = rank;
    this.#hasMetHeld = false;
    return entry.tryStart(this.#isHeld);
  }

  #block(lane: Lane<Slot>, entry: Entry<Slot>, result: Waiting, isFirst: boolean, now: number): void {
    const { pool } = lane;
    const opensAt = now + Math.max(0, result.waitMs);
    this.#nextAt = Math.min(this.#nextAt, opensAt);
    pool.opensAt = Math.min(pool.opensAt, opensAt);
    const contested = result.on && this.#pools.contestedResource(result.on);
    if (contested !== undefined && contested.heldBy < lane.rank) contested.heldBy = lane.rank;
    else if (!isFirst) pool.spareTries -= 1;
    lane.maxRank = lane.rank;
    lane.fairness.setAside(entry);
    this.#skipped.push(entry);
  }
}

type Waiting = Extract<StartResult<unknown>, { kind: 'waiting' }>;
