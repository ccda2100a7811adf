import type { ServerResponse } from 'node:http';
import type { Balancer } from '../balancer/balancer';
import { startTimer, type Timer } from '../util/timers';
import type { Monitor } from './monitor';
import { currentState, type EndpointRow, recentHistory, type Status, type Totals } from './status';

/** The shortest time between two updates. */
const UPDATE_MS = 500;
/** New calls shown of each outcome and update. */
const CALLS_PER_UPDATE = 5;
/** The bucket that is filled now, and the one before, which may have got its last calls since. */
const BUCKETS_PER_UPDATE = 2;
/** A viewer whose connection has been full for this long is dropped. */
const MAX_STALLED_MS = 15_000;
/** A connection ends after this time; the browser opens another one, which asks `authorize` again. */
const MAX_CONNECTION_MS = 300_000;

interface Viewer {
  readonly res: ServerResponse;
  readonly openedAt: number;
  /** Since when its connection is full; undefined while it takes data. */
  stalledSince: number | undefined;
  /** Whether it has missed updates, or has received none yet. */
  needsSnapshot: boolean;
}

/** What changed since the last update. */
interface Update {
  readonly totals: Totals;
  /** The rows that changed. */
  readonly endpoints: readonly EndpointRow[];
  readonly history: Status['history'];
  readonly calls: Status['calls'];
}

/**
 * Sends the state to everyone who looks, at most every 500 ms. All viewers share one timer and one serialization: each
 * gets a snapshot first and then only what changed. A viewer that can't keep up misses updates, and gets a snapshot when
 * it can. Nothing runs while nobody looks.
 */
export class LiveFeed {
  readonly #balancer: Balancer;
  readonly #monitor: Monitor;
  readonly #maxViewers: number;
  readonly #viewers = new Set<Viewer>();
  /** The rows as last sent, in the order of the configuration. */
  #rows = new Map<string, string>();
  #lastCall = 0;
  #sentAt = -Infinity;
  #timer: Timer | undefined;

  constructor(balancer: Balancer, monitor: Monitor, maxViewers: number) {
    this.#balancer = balancer;
    this.#monitor = monitor;
    this.#maxViewers = maxViewers;
  }

  get isFull(): boolean {
    return this.#viewers.size >= this.#maxViewers;
  }

  /** Sends events on a response until it closes. @param hello Sent first, to this viewer only. */
  add(res: ServerResponse, hello: object): void {
    res.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      // A compressing middleware would hold updates back.
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    res.write(`retry: 2000\n${eventOf('hello', JSON.stringify(hello))}`);
    const viewer: Viewer = { res, openedAt: performance.now(), stalledSince: undefined, needsSnapshot: true };
    this.#viewers.add(viewer);
    const remove = (): void => this.#remove(viewer);
    res.once('close', remove).once('error', remove);
    if (res.destroyed) remove();
    else this.#schedule();
  }

  #remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#rows.clear();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#viewers.size === 0) return;
    this.#timer = startTimer(
      () => {
        this.#timer = undefined;
        this.#send();
        this.#schedule();
      },
      this.#sentAt + UPDATE_MS - performance.now(),
    );
    // The page must not keep a process alive that has nothing else to do.
    this.#timer.unref();
  }

  #send(): void {
    const now = performance.now();
    this.#sentAt = now;
    const ready = [...this.#viewers].filter((viewer) => this.#isReady(viewer, now));
    if (ready.length === 0) return;
    const state = currentState(this.#balancer, this.#monitor);
    const { changed, isSameFleet } = this.#compare(state.endpoints);
    const update: Update = {
      totals: state.totals,
      endpoints: changed,
      history: recentHistory(this.#monitor, BUCKETS_PER_UPDATE),
      calls: this.#monitor.calls.after(this.#lastCall, CALLS_PER_UPDATE),
    };
    this.#lastCall = this.#monitor.calls.last;
    let updateEvent: string | undefined;
    let snapshotEvent: string | undefined;
    for (const viewer of ready) {
      if (viewer.needsSnapshot || !isSameFleet) {
        snapshotEvent ??= eventOf('snapshot', this.#snapshot(state));
        viewer.res.write(snapshotEvent);
        viewer.needsSnapshot = false;
      } else {
        updateEvent ??= eventOf('update', JSON.stringify(update));
        viewer.res.write(updateEvent);
      }
    }
  }

  /** Ends a connection that is too old or too slow. A viewer that is not ready misses this update. */
  #isReady(viewer: Viewer, now: number): boolean {
    const { res } = viewer;
    if (!res.writableNeedDrain) {
      viewer.stalledSince = undefined;
      if (now - viewer.openedAt < MAX_CONNECTION_MS) return true;
      this.#remove(viewer);
      res.end();
      return false;
    }
    viewer.needsSnapshot = true;
    viewer.stalledSince ??= now;
    if (now - viewer.stalledSince >= MAX_STALLED_MS) res.destroy();
    return false;
  }

  /** Remembers the rows, and tells which changed. The fleet is the same if it has the same endpoints in the same order. */
  #compare(endpoints: readonly EndpointRow[]): { changed: EndpointRow[]; isSameFleet: boolean } {
    const rows = new Map(endpoints.map((row) => [row.name, JSON.stringify(row)]));
    const before = this.#rows;
    this.#rows = rows;
    const names = [...before.keys()];
    const isSameFleet = names.length === rows.size && endpoints.every(({ name }, at) => names[at] === name);
    return { changed: endpoints.filter(({ name }) => before.get(name) !== rows.get(name)), isSameFleet };
  }

  /** The whole state. The rows are serialized already. */
  #snapshot({ totals }: Pick<Status, 'totals'>): string {
    const rest = JSON.stringify({
      totals,
      history: recentHistory(this.#monitor),
      calls: this.#monitor.calls.after(0),
    });
    return `${rest.slice(0, -1)},"endpoints":[${[...this.#rows.values()].join(',')}]}`;
  }
}

function eventOf(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`;
}
