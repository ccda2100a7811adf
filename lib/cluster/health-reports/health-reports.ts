import { decodeMessage, encodeMessage, type HealthReport } from './message';
import { PeerCooldownReports } from './peer-cooldown-reports';
import type { DistributedLock, PubSubChannel } from './ports';
import { ProbeLock } from './probe-lock';
import { RateLimit } from './rate-limit';

/** Older news is no news, in milliseconds. */
const MAX_AGE_MS = 5_000;
/** What is stamped later than now is forged, or its sender's reckoning of Redis's clock is off by more than it can be. */
const MAX_AHEAD_MS = 500;
/**
 * Reading a message costs 2 to 17 microseconds: 200 a second are at most 0.4 % of a core, whoever sends them. The burst is for
 * an outage of a hundred endpoints that ten processes see at once. What is dropped, each process finds out by itself.
 */
const RECEIVE_PER_SECOND = 200;
const RECEIVE_BURST = 1_000;
/** One process's own part of that. */
const PUBLISH_PER_SECOND = 50;
const PUBLISH_BURST = 200;
const MAX_QUOTAS = 10_000;

/** News from another process, in time. */
export interface ReceivedReport {
  readonly report: HealthReport;
  readonly from: string;
  /** When it was told, on Redis's clock. */
  readonly at: number;
  /** The same on this process's performance.now(). */
  readonly localAt: number;
  /** What is left of the rest it tells of, in milliseconds; 0 where it tells of none. */
  readonly leftMs: number;
}

/** What an endpoint is told through, and tells through. */
export interface HealthReportBus {
  /** Best effort. */
  publish(report: HealthReport): void;
  /** Milliseconds on Redis's clock; undefined while unknown. */
  now(): number | undefined;
  /** The turn to probe an endpoint. */
  probeLock(endpoint: string, onDue: () => void): ProbeLock;
  /** What is believed of the rests of a quota that others tell of. */
  cooldownReports(quota: string): PeerCooldownReports;
}

/** What the processes of a cluster tell each other about their endpoints. */
export class HealthReports implements HealthReportBus {
  readonly #channel: PubSubChannel;
  readonly #lock: DistributedLock;
  readonly #onReport: (report: ReceivedReport, bus: HealthReportBus) => void;
  readonly #receiveLimit = new RateLimit(RECEIVE_PER_SECOND, RECEIVE_BURST);
  readonly #publishLimit = new RateLimit(PUBLISH_PER_SECOND, PUBLISH_BURST);
  readonly #cooldownReportsByQuota = new Map<string, PeerCooldownReports>();
  #isClosed = false;

  /** @param onReport Told of what others tell. Must not throw. */
  constructor(
    channel: PubSubChannel,
    lock: DistributedLock,
    onReport: (report: ReceivedReport, bus: HealthReportBus) => void,
  ) {
    this.#channel = channel;
    this.#lock = lock;
    this.#onReport = onReport;
    channel.subscribe((text) => this.#receive(text));
  }

  now(): number | undefined {
    return this.#channel.now();
  }

  publish(report: HealthReport): void {
    const at = this.now();
    if (this.#isClosed || at === undefined || !this.#publishLimit.tryTake()) return;
    const text = encodeMessage({ from: this.#channel.id, at, report });
    if (text !== undefined) this.#channel.publish(text);
  }

  probeLock(endpoint: string, onDue: () => void): ProbeLock {
    return new ProbeLock(endpoint, this.#lock, onDue);
  }

  cooldownReports(quota: string): PeerCooldownReports {
    const known = this.#cooldownReportsByQuota.get(quota);
    if (known) return known;
    // Reloads may bring ever new names: what was believed of old ones doesn't matter.
    if (this.#cooldownReportsByQuota.size >= MAX_QUOTAS) this.#cooldownReportsByQuota.clear();
    const reports = new PeerCooldownReports();
    this.#cooldownReportsByQuota.set(quota, reports);
    return reports;
  }

  /** Tells and hears nothing afterwards. */
  close(): void {
    this.#isClosed = true;
  }

  #receive(text: string): void {
    if (this.#isClosed || !this.#receiveLimit.tryTake()) return;
    const now = this.now();
    if (now === undefined) return;
    const message = decodeMessage(text);
    if (!message || message.from === this.#channel.id) return;
    const { report, from, at } = message;
    const ageMs = now - at;
    if (ageMs > MAX_AGE_MS || ageMs < -MAX_AHEAD_MS) return;
    const age = Math.max(0, ageMs);
    const leftMs = 'cooldownMs' in report ? report.cooldownMs - age : 0;
    if ('cooldownMs' in report && leftMs <= 0) return;
    this.#onReport({ report, from, at, localAt: performance.now() - age, leftMs }, this);
  }
}
