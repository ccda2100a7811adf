import { IndexedHeap } from './heap';
import type { Lane, PooledEntry } from './pool';
import type { Pools } from './pools';
import type { Resource, StartResult } from './queued-call';
import { before } from './value-density';

/** Fruitless tries a pool may make beyond its heads, where they hold nothing new. */
const SPARE_TRIES = 4;
/** Calls that one drain starts or turns away, at most: a drain never blocks the event loop for long. */
const MOST_LEAVING = 512;

/** What becomes of the calls that a drain takes from the queue. */
export interface DrainEnds<Slot> {
  started(entry: PooledEntry<Slot>, slot: Slot): void;
  /** Without an error it was told to leave while it tried to start. */
  failed(entry: PooledEntry<Slot>, error: Error | undefined): void;
  /** Its turn can't come before its last start: the wait is at least that long. */
  tooLate(entry: PooledEntry<Slot>, waitMs: number): void;
}

/**
 * One pass over the heads of the lanes, the densest first. A blocked call holds the resource it could start on soonest
 * against what is less dense, and against those behind it in its own lane. Tries are bounded by the calls that leave,
 * the resources and nine a pool, however many wait.
 */
export class Drain<Slot> {
  readonly #pools: Pools<Slot>;
  readonly #ends: DrainEnds<Slot>;
  readonly #lanes = new IndexedHeap<'inDrain', Lane<Slot>>('inDrain', before);
  readonly #aside: PooledEntry<Slot>[] = [];
  #leaving = 0;
  #nextAt = Infinity;
  #rank = -Infinity;
  #metHeld = false;

  readonly #isHeld = (resource: Resource): boolean => {
    const held = (this.#pools.on(resource)?.heldBy ?? -Infinity) >= this.#rank;
    if (held) this.#metHeld = true;
    return held;
  };

  constructor(pools: Pools<Slot>, ends: DrainEnds<Slot>) {
    this.#pools = pools;
    this.#ends = ends;
  }

  /** Starts what can start; returns when the next call could, on the scale of `performance.now()`. */
  run(now: number): number {
    this.#begin();
    for (let lane = this.#lanes.first; lane !== undefined; lane = this.#lanes.first) {
      if (this.#leaving >= MOST_LEAVING) {
        this.#nextAt = now;
        break;
      }
      if (!this.#tryHead(lane, now) || !lane.place()) this.#lanes.remove(lane);
      else this.#lanes.update(lane);
    }
    this.#end();
    return this.#nextAt;
  }

  #begin(): void {
    this.#leaving = 0;
    this.#nextAt = Infinity;
    for (const contested of this.#pools.contested()) contested.heldBy = -Infinity;
    for (const pool of this.#pools.values()) {
      pool.spareTries = SPARE_TRIES;
      pool.opensAt = Infinity;
      for (const lane of pool.lanes) {
        if (lane === undefined) continue;
        lane.ceiling = Infinity;
        if (lane.place()) this.#lanes.add(lane);
      }
    }
  }

  #end(): void {
    this.#lanes.clear();
    for (const entry of this.#aside) {
      if (entry.state !== 'gone') entry.pool?.lane(entry.call.priority).turns.putBack(entry);
    }
    this.#aside.length = 0;
  }

  /** False when the lane has had its say in this drain. */
  #tryHead(lane: Lane<Slot>, now: number): boolean {
    const { pool } = lane;
    const entry = lane.turns.next;
    if (entry === undefined || pool.isAllHeld(lane.rank)) return false;
    const isFirst = lane.ceiling === Infinity;
    if (!isFirst && pool.spareTries <= 0) return false;

    const result = this.#ask(entry, lane.rank);
    if (result.kind === 'started') {
      pool.opensAt = 0;
      this.#leaving += 1;
      this.#ends.started(entry, result.slot);
    } else if (result.kind === 'hopeless' || entry.isLeaving) {
      this.#leaving += 1;
      this.#ends.failed(entry, result.kind === 'hopeless' ? result.error : undefined);
    } else if (!this.#metHeld && Number.isFinite(result.waitMs) && now + result.waitMs > entry.lastStartAt) {
      this.#leaving += 1;
      this.#ends.tooLate(entry, result.waitMs);
    } else {
      this.#block(lane, entry, result, isFirst, now);
    }
    return true;
  }

  #ask(entry: PooledEntry<Slot>, rank: number): StartResult<Slot> {
    this.#rank = rank;
    this.#metHeld = false;
    entry.state = 'starting';
    const result = tryStart(entry, this.#isHeld);
    entry.state = 'waiting';
    return result;
  }

  #block(lane: Lane<Slot>, entry: PooledEntry<Slot>, result: Waiting, isFirst: boolean, now: number): void {
    const { pool } = lane;
    const opensAt = now + Math.max(0, result.waitMs);
    this.#nextAt = Math.min(this.#nextAt, opensAt);
    pool.opensAt = Math.min(pool.opensAt, opensAt);
    const contested = result.on && this.#pools.on(result.on);
    if (contested !== undefined && contested.heldBy < lane.rank) contested.heldBy = lane.rank;
    else if (!isFirst) pool.spareTries -= 1;
    lane.ceiling = lane.rank;
    lane.turns.setAside(entry);
    this.#aside.push(entry);
  }
}

type Waiting = Extract<StartResult<unknown>, { kind: 'waiting' }>;

function tryStart<Slot>(
  entry: PooledEntry<Slot>,
  isHeld: (resource: Resource) => boolean,
): StartResult<Slot> {
  try {
    return entry.call.tryStart(isHeld);
  } catch (error) {
    return { kind: 'hopeless', error: error instanceof Error ? error : new Error(String(error)) };
  }
}
