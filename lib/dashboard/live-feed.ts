import type { ServerResponse } from 'node:http';
import type { Balancer } from '../balancer/balancer';
import { INTERNALS } from '../balancer/internals';
import { startTimer, type Timer } from '../util/timers';
import { BUCKET_MS } from './call-history';
import type { Monitor } from './monitor';
import { currentState, type EndpointRow, recentHistory, type Totals } from './status';

/** Minimum interval between two updates, in milliseconds. */
const UPDATE_MS = 500;
/** Maximum number of new calls of each outcome per update. */
const CALLS_PER_UPDATE = 5;
/** A viewer whose connection has taken no data for this long is dropped, in milliseconds. */
const MAX_STALLED_MS = 15_000;
/**
 * A connection ends after this time, in milliseconds. The browser opens a new one, for which `authorize` is called
 * again.
 */
const MAX_CONNECTION_MS = 300_000;

interface Viewer {
  readonly res: ServerResponse;
  readonly openedAt: number;
  /** When the viewer's connection stopped taking data; undefined while it takes data. */
  stalledSince: number | undefined;
  /** The last state that was sent to the viewer; undefined before the first. */
  seen: Seen | undefined;
}

/** Identifies a state that was sent. */
interface Seen {
  /** Sequence number of the state. */
  readonly version: number;
  readonly at: number;
  /** Sequence number of the last call in the state. */
  readonly call: number;
}

/** A row as it was last sent, and the version in which it changed. */
interface SentRow {
  readonly json: string;
  readonly version: number;
}

/**
 * Sends the state to all viewers, at most every 500 ms. Each viewer gets a snapshot first and then only changes. The
 * viewers share one timer and one serialization. A viewer that can't keep up is skipped, and later gets everything that
 * has changed meanwhile. Without viewers, nothing runs.
 */
export class LiveFeed {
  readonly #balancer: Balancer;
  readonly #monitor: Monitor;
  readonly #maxViewers: number;
  readonly #viewers = new Set<Viewer>();
  /** Rows of the endpoints by name, in the order of the configuration. */
  #rows = new Map<string, SentRow>();
  /** The state that was sent last. */
  #sent: Seen = { version: 0, at: -Infinity, call: 0 };
  #timer: Timer | undefined;

  constructor(balancer: Balancer, monitor: Monitor, maxViewers: number) {
    this.#balancer = balancer;
    this.#monitor = monitor;
    this.#maxViewers = maxViewers;
    // Ends all connections when the balancer closes, because an open one would prevent the server from shutting down.
    balancer[INTERNALS].closing.addEventListener('abort', () => this.#endAll(), { once: true });
  }

  get isFull(): boolean {
    return this.#viewers.size >= this.#maxViewers;
  }

  /**
   * Adds a viewer, which gets events on this response until it closes.
   *
   * @param hello The first event, for this viewer only.
   */
  add(res: ServerResponse, hello: object): void {
    res.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      // Prevents compression, whose buffering would delay updates.
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      // Closes the connection after the response: kept alive, it would delay the shutdown of the server.
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
    // An open page must not keep the process alive.
    this.#timer.unref();
  }

  #send(): void {
    const now = performance.now();
    const ready = [...this.#viewers].filter((viewer) => this.#isReady(viewer, now));
    this.#sent = { version: this.#sent.version + 1, at: now, call: this.#monitor.calls.last };
    if (ready.length === 0) return;
    const { totals, endpoints } = currentState(this.#balancer, this.#monitor);
    const isSameFleet = this.#remember(endpoints);
    // Viewers that have seen the same version share one serialized event.
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

  /** Whether a viewer can take this update. Ends connections that are too old or too slow. */
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

  /** Stores the rows. Returns whether there are the same endpoints in the same order as before. */
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

  /** Returns the event with everything that has changed since a state, or, without one, the whole current state. */
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

/** Returns the number of history buckets that may have changed since a time, including the current one. */
function bucketsSince(since: number, now: number): number {
  return Math.ceil((now - since) / BUCKET_MS) + 1;
}

function eventOf(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`;
}
