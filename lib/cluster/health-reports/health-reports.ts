import type { HealthReportsLink } from './health-link';
import { decodeMessage, encodeMessage, type HealthReport } from './message';
import { ProbeLock } from './probe-lock';

/** Older reports are ignored, in milliseconds. */
const MAX_AGE_MS = 5_000;
/** A report from further in the future is ignored: estimates of Redis's clock never differ that much. */
const MAX_AHEAD_MS = 500;
/** A peer's report keeps calls away for at most this long. Then a call of this process finds out for itself. */
const MAX_COOLDOWN_MS = 60_000;

/** A report of a peer. */
export interface ReceivedReport {
  readonly report: HealthReport;
  /** When it was published, on Redis's clock. */
  readonly at: number;
  /** The same on this process's performance.now(). */
  readonly localAt: number;
  /** What is left of its cooldown, in milliseconds, at most a minute; 0 if it reports none. */
  readonly leftMs: number;
}

export interface HealthReportsParts extends HealthReportsLink {
  /** The name of an endpoint with its account, as peers know it: an endpoint of another app may have the same name. */
  readonly endpointId: (name: string) => string;
  /** Must not throw. */
  readonly onReport: (report: ReceivedReport) => void;
}

/** Publishes what this process finds out about its endpoints, and passes on what its peers publish. */
export class HealthReports {
  readonly #parts: HealthReportsParts;
  #isClosed = false;

  constructor(parts: HealthReportsParts) {
    this.#parts = parts;
    parts.subscribe((text) => this.#receive(text));
  }

  /** Milliseconds on Redis's clock; undefined until Redis has answered. */
  now(): number | undefined {
    return this.#parts.now();
  }

  /** Best effort: a report that is lost only means that each peer finds out for itself. */
  publish(report: HealthReport): void {
    const { id, endpointId } = this.#parts;
    const at = this.now();
    if (this.#isClosed || at === undefined) return;
    const text = encodeMessage({
      from: id,
      at,
      report: { ...report, endpoint: endpointId(report.endpoint) },
    });
    if (text !== undefined) this.#parts.publish(text);
  }

  /** @param onDue Called when a lock that a peer held may be free. */
  probeLock(endpoint: string, onDue: () => void): ProbeLock {
    return new ProbeLock(this.#parts.endpointId(endpoint), this.#parts, onDue);
  }

  /** Publishes and passes on nothing afterwards. */
  close(): void {
    this.#isClosed = true;
  }

  #receive(text: string): void {
    const now = this.now();
    if (this.#isClosed || now === undefined) return;
    const message = decodeMessage(text);
    if (!message || message.from === this.#parts.id) return;
    const { at } = message;
    const endpoint = message.report.endpoint.replace(/ [^ ]*$/, '');
    if (this.#parts.endpointId(endpoint) !== message.report.endpoint) return;
    const report = { ...message.report, endpoint };
    if (at < now - MAX_AGE_MS || at > now + MAX_AHEAD_MS) return;
    const ageMs = Math.max(0, now - at);
    const leftMs = 'cooldownMs' in report ? Math.min(MAX_COOLDOWN_MS, report.cooldownMs - ageMs) : 0;
    if ('cooldownMs' in report && leftMs <= 0) return;
    this.#parts.onReport({ report, at, localAt: performance.now() - ageMs, leftMs });
  }
}
