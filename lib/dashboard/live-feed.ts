import type { ServerResponse } from 'node:http';
import type { Balancer } from '../balancer/balancer';
import { INTERNALS } from '../balancer/internals';
import { startTimer, type Timer } from '../util/timers';
import { BUCKET_MS } from './call-history';
import type { Monitor } from './monitor';
import { currentState, type EndpointRow, recentHistory, type Totals } from './status';

/** The shortest time between two updates. */
const UPDATE_MS = 500;
/** New calls shown of each outcome and update. */
const CALLS_PER_UPDATE = 5;
/** A viewer whose connection has been full for this long is dropped. */
const MAX_STALLED_MS = 15_000;
/** A connection ends after this time; the browser opens another one, which asks `authorize` again. */
const MAX_CONNECTION_MS = 300_000;

interface Viewer {
  readonly res: ServerResponse;
  readonly openedAt: number;
  /** Since when its connection is full; undefined while it takes data. */
  stalledSince: number | undefined;
  /** The last state that it was sent; undefined before the first. */
  seen: Seen | undefined;
}

/** A state that was sent. */
interface Seen {
  /** Counts the states. */
  readonly version: number;
  readonly at: number;
  /** Number of the last call. */
  readonly call: number;
}

/** A row as it was last sent, and the version in which it changed. */
interface SentRow {
  readonly json: string;
  readonly version: number;
}

/**
 * Sends the state to everyone who looks, at most every 500 ms. All viewers share one timer and one serialization: each
 * gets a snapshot first and then only what changed. A viewer that can't keep up is skipped, and later gets all that has
 * changed meanwhile. Nothing runs while nobody looks.
 */
export class LiveFeed {
  readonly #balancer: Balancer;
  readonly #monitor: Monitor;
  readonly #maxViewers: number;
  readonly #viewers = new Set<Viewer>();
  /** In the order of the configuration. */
  #rows = new Map<string, SentRow>();
  /** The state that was sent last. */
  #sent: Seen = { version: 0, at: -Infinity, call: 0 };
  #timer: Timer | undefined;

  constructor(balancer: Balancer, monitor: Monitor, maxViewers: number) {
    this.#balancer = balancer;
    this.#monitor = monitor;
    this.#maxViewers = maxViewers;
    // An open view would keep a server from shutting down.
    balancer[INTERNALS].closing.addEventListener('abort', () => this.#endAll(), { once: true });
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
      // Kept alive after its end, the connection would delay the shutdown of a server.
      ...(res.req.httpVersionMajor === 1 ? { connection: 'close' } : {}),
    });
    res.write(`retry: 2000\n${eventOf('hello', JSON.stringify(hello))}`);
    const viewer: Viewer = { res, openedAt: performance.now(), stalledSince: undefined, seen: undefined };
    this.#viewers.add(viewer);
    const remove = (): void => this.#remove(viewer);
    res.once('close', remove).once('error', remove);
    if (res.destroyed) remove();
    else this.#schedule();
  }

  #endAll(): void {
    for (const viewer of [...this.#viewers]) {
      this.#remove(viewer);
      if (viewer.res.writableNeedDrain) viewer.res.destroy();
      else viewer.res.end();
    }
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
      this.#sent.at + UPDATE_MS - performance.now(),
    );
    // The page must not keep a process alive that has nothing else to do.
    this.#timer.unref();
  }

  #send(): void {
    const now = performance.now();
    const ready = [...this.#viewers].filter((viewer) => this.#isReady(viewer, now));
    this.#sent = { version: this.#sent.version + 1, at: now, call: this.#monitor.calls.last };
    if (ready.length === 0) return;
    const { totals, endpoints } = currentState(this.#balancer, this.#monitor);
    const isSameFleet = this.#remember(endpoints);
    // Viewers that are up to date have seen the same version: it is serialized once.
    const events = new Map<number, string>();
    for (const viewer of ready) {
      const seen = isSameFleet ? viewer.seen : undefined;
      const version = seen?.version ?? -1;
      const event = events.get(version) ?? this.#eventAfter(seen, totals);
      events.set(version, event);
      viewer.res.write(event);
      viewer.seen = this.#sent;
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
    viewer.stalledSince ??= now;
    if (now - viewer.stalledSince >= MAX_STALLED_MS) res.destroy();
    return false;
  }

  /** Returns whether the fleet is the same as before: the same endpoints in the same order. */
  #remember(endpoints: readonly EndpointRow[]): boolean {
    const before = this.#rows;
    const names = [...before.keys()];
    const { version } = this.#sent;
    this.#rows = new Map(
      endpoints.map((row) => {
        const json = JSON.stringify(row);
        const known = before.get(row.name);
        return [row.name, known?.json === json ? known : { json, version }];
      }),
    );
    return names.length === endpoints.length && endpoints.every(({ name }, at) => names[at] === name);
  }

  /** The event with all that has changed since a version, or the whole state. Rows are serialized already. */
  #eventAfter(seen: Seen | undefined, totals: Totals): string {
    const rows = [...this.#rows.values()].filter(
      ({ version }) => seen === undefined || version > seen.version,
    );
    const { calls } = this.#monitor;
    const rest = JSON.stringify({
      totals,
      history: recentHistory(this.#monitor, seen && bucketsSince(seen.at, this.#sent.at)),
      calls: seen ? calls.after(seen.call, CALLS_PER_UPDATE) : calls.after(0),
    });
    const json = `${rest.slice(0, -1)},"endpoints":[${rows.map((row) => row.json).join(',')}]}`;
    return eventOf(seen ? 'update' : 'snapshot', json);
  }
}

/** The bucket that is filled now, and those that may have got calls since. */
function bucketsSince(since: number, now: number): number {
  return Math.ceil((now - since) / BUCKET_MS) + 1;
}

function eventOf(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`;
}
