import { decodeNews, encodeNews, type NewsItem } from './message';
import { RestHearsay } from './peer-cooldown-reports';
import type { Claims, NewsChannel } from './ports';
import { ProbeTurn } from './probe-lock';
import { NewsRate } from './rate-limit';

/** Older news is no news, in milliseconds. */
const MAX_AGE_MS = 5_000;
/** What is stamped later than now is forged, or its sender's reckoning of Redis's clock is off by more than it can be. */
const MAX_AHEAD_MS = 500;
/**
 * Reading a message costs 2 to 17 microseconds: 200 a second are at most 0.4 % of a core, whoever sends them. The burst is for
 * an outage of a hundred endpoints that ten processes see at once. What is dropped, each process finds out by itself.
 */
const READ_PER_SECOND = 200;
const READ_BURST = 1_000;
/** One process's own part of that. */
const TOLD_PER_SECOND = 50;
const TOLD_BURST = 200;
const MAX_QUOTAS = 10_000;

/** News from another process, in time. */
export interface HeardNews {
  readonly item: NewsItem;
  readonly from: string;
  /** When it was told, on Redis's clock. */
  readonly at: number;
  /** The same on this process's performance.now(). */
  readonly localAt: number;
  /** What is left of the rest it tells of, in milliseconds; 0 where it tells of none. */
  readonly leftMs: number;
}

/** What an endpoint is told through, and tells through. */
export interface NewsDesk {
  /** Best effort. */
  tell(item: NewsItem): void;
  /** Milliseconds on Redis's clock; undefined while unknown. */
  now(): number | undefined;
  /** The turn to probe an endpoint. */
  turnOf(endpoint: string, onDue: () => void): ProbeTurn;
  /** What is believed of the rests of a quota that others tell of. */
  restsOf(quota: string): RestHearsay;
}

/** What the processes of a cluster tell each other about their endpoints. */
export class ClusterNews implements NewsDesk {
  readonly #channel: NewsChannel;
  readonly #claims: Claims;
  readonly #onNews: (news: HeardNews, desk: NewsDesk) => void;
  readonly #reads = new NewsRate(READ_PER_SECOND, READ_BURST);
  readonly #tells = new NewsRate(TOLD_PER_SECOND, TOLD_BURST);
  readonly #rests = new Map<string, RestHearsay>();
  #closed = false;

  /** @param onNews Told of what others tell. Must not throw. */
  constructor(channel: NewsChannel, claims: Claims, onNews: (news: HeardNews, desk: NewsDesk) => void) {
    this.#channel = channel;
    this.#claims = claims;
    this.#onNews = onNews;
    channel.subscribe((text) => this.#heard(text));
  }

  now(): number | undefined {
    return this.#channel.now();
  }

  tell(item: NewsItem): void {
    const at = this.now();
    if (this.#closed || at === undefined || !this.#tells.tryTake()) return;
    const text = encodeNews({ from: this.#channel.id, at, item });
    if (text !== undefined) this.#channel.publish(text);
  }

  turnOf(endpoint: string, onDue: () => void): ProbeTurn {
    return new ProbeTurn(endpoint, this.#claims, onDue);
  }

  restsOf(quota: string): RestHearsay {
    const known = this.#rests.get(quota);
    if (known) return known;
    // Reloads may bring ever new names: what was believed of old ones doesn't matter.
    if (this.#rests.size >= MAX_QUOTAS) this.#rests.clear();
    const rests = new RestHearsay();
    this.#rests.set(quota, rests);
    return rests;
  }

  /** Tells and hears nothing afterwards. */
  close(): void {
    this.#closed = true;
  }

  #heard(text: string): void {
    if (this.#closed || !this.#reads.tryTake()) return;
    const now = this.now();
    if (now === undefined) return;
    const message = decodeNews(text);
    if (!message || message.from === this.#channel.id) return;
    const { item, from, at } = message;
    const ageMs = now - at;
    if (ageMs > MAX_AGE_MS || ageMs < -MAX_AHEAD_MS) return;
    const age = Math.max(0, ageMs);
    const leftMs = 'cooldownMs' in item ? item.cooldownMs - age : 0;
    if ('cooldownMs' in item && leftMs <= 0) return;
    this.#onNews({ item, from, at, localAt: performance.now() - age, leftMs }, this);
  }
}
