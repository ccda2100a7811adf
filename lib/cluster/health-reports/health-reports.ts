import { startTimer, type Timer } from '../../util/timers';
import type { HealthReportsLink } from './health-link';
import { decodeMessage, encodeMessage, type HealthMessage, type HealthReport } from './message';
import { ProbeLock } from './probe-lock';

/** Older reports are ignored, in milliseconds. */
const MAX_AGE_MS = 5_000;
/** A report from further in the future is ignored: estimates of Redis's clock never differ that much. */
const MAX_AHEAD_MS = 500;
/** A peer's report keeps calls away for at most this long. Then a call of this process finds out for itself. */
const MAX_COOLDOWN_MS = 60_000;
/** Processes that start together are answered together, in milliseconds. */
const ANSWER_MS = 100;

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

/**
 * Publishes what this process finds out about its endpoints, and passes on what its peers publish. A process that starts
 * asks once, so that it needs no failures of its own to learn of an outage.
 */
export class HealthReports {
  readonly #parts: HealthReportsParts;
  /** Milliseconds on Redis's clock; undefined until Redis has answered. */
  readonly now: HealthReportsLink['now'];
  /** Own reports of cooldowns, which a process that starts asks for, as long as they last. */
  readonly #lasting = new Map<string, { readonly report: HealthReport; readonly until: number }>();
  #answerTimer: Timer | undefined;
  #isClosed = false;

  constructor(parts: HealthReportsParts) {
    this.#parts = parts;
    this.now = parts.now;
    parts.subscribe(
      (text) => this.#receive(text),
      () => this.#send({ kind: 'asked' }),
    );
  }

  /** Best effort: a report that is lost only means that each peer finds out for itself. */
  publish(report: HealthReport): void {
    if (report.kind === 'closed') this.withdraw(report.endpoint);
    else {
      const until = performance.now() + report.cooldownMs;
      this.#lasting.set(`${report.kind} ${report.endpoint}`, { report, until });
    }
    this.#send(report);
  }

  /** What this process has reported of an endpoint is over. */
  withdraw(endpoint: string): void {
    for (const kind of ['opened', 'cooldown', 'quota']) this.#lasting.delete(`${kind} ${endpoint}`);
  }

  /** @param onDue Called when a lock that a peer held may be free. */
  probeLock(endpoint: string, onDue: () => void): ProbeLock {
    return new ProbeLock(this.#parts.endpointId(endpoint), this.#parts, onDue);
  }

  /** Publishes and passes on nothing afterwards. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#answerTimer);
  }

  #send(body: HealthMessage['report']): void {
    const at = this.now();
    if (this.#isClosed || at === undefined) return;
    const isReport = body.kind !== 'asked';
    const report = isReport ? { ...body, endpoint: this.#parts.endpointId(body.endpoint) } : body;
    const text = encodeMessage({ from: this.#parts.id, at, report });
    if (text !== undefined) this.#parts.publish(text);
  }

  #answer(): void {
    this.#answerTimer = undefined;
    const now = performance.now();
    for (const [key, { report, until }] of this.#lasting) {
      if (until > now && report.kind !== 'closed') this.#send({ ...report, cooldownMs: until - now });
      else this.#lasting.delete(key);
    }
  }

  #receive(text: string): void {
    const now = this.now();
    if (this.#isClosed || now === undefined) return;
    const message = decodeMessage(text);
    if (!message || message.from === this.#parts.id) return;
    if (message.report.kind === 'asked') {
      this.#answerTimer ??= startTimer(() => this.#answer(), ANSWER_MS).unref();
      return;
    }
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
