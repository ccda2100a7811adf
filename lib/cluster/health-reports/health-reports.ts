import { startTimer, type Timer } from '../../util/timers';
import type { HealthReportsLink } from './health-link';
import { decodeMessage, encodeMessage, type HealthMessage, type HealthReport } from './message';
import { ProbeLock } from './probe-lock';

/** Maximum age of a report, in milliseconds. Older ones are ignored. */
const MAX_AGE_MS = 5_000;
/**
 * How far in the future the time of a report may be, in milliseconds. Estimates of Redis's clock never differ that
 * much, so others are ignored.
 */
const MAX_AHEAD_MS = 500;
/**
 * How long a peer's report can keep an endpoint out of rotation, in milliseconds. After that this process tries it with
 * a call of its own.
 */
const MAX_COOLDOWN_MS = 60_000;
/**
 * How long a request for reports waits before it is answered, in milliseconds, so that one answer serves all processes
 * that start together.
 */
const ANSWER_MS = 100;

/** A report of a peer. */
export interface ReceivedReport {
  readonly report: HealthReport;
  /** When it was published, on Redis's clock. */
  readonly at: number;
  /** The same time on this process's performance.now(). */
  readonly localAt: number;
  /** The rest of the reported cooldown in milliseconds, at most a minute; 0 if the report contains none. */
  readonly leftMs: number;
}

export interface HealthReportsParts extends HealthReportsLink {
  /**
   * Returns an endpoint's name together with its account, as peers know it. An endpoint of another application may have
   * the same name.
   */
  readonly endpointId: (name: string) => string;
  /** Must not throw. */
  readonly onReport: (report: ReceivedReport) => void;
}

/**
 * Publishes what this process finds out about its endpoints, and passes on the reports of its peers. A process that
 * starts asks its peers once for current reports, so that it learns of an outage without failures of its own.
 */
export class HealthReports {
  readonly #parts: HealthReportsParts;
  /** Milliseconds on Redis's clock; undefined until Redis has answered. */
  readonly now: HealthReportsLink['now'];
  /** This process's own reports of cooldowns that have not ended. Processes that start ask for them. */
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

  /** Publishes a report. If it is lost, each peer learns the same from its own calls. */
  publish(report: HealthReport): void {
    if (report.kind === 'closed') this.withdraw(report.endpoint);
    else {
      const until = performance.now() + report.cooldownMs;
      this.#lasting.set(`${report.kind} ${report.endpoint}`, { report, until });
    }
    this.#send(report);
  }

  /** Withdraws this process's reports on an endpoint, so that they are no longer sent to processes that start. */
  withdraw(endpoint: string): void {
    for (const kind of ['opened', 'cooldown', 'quota']) this.#lasting.delete(`${kind} ${endpoint}`);
  }

  /** @param onDue Called when a lock that a peer held may be free. */
  probeLock(endpoint: string, onDue: () => void): ProbeLock {
    return new ProbeLock(this.#parts.endpointId(endpoint), this.#parts, onDue);
  }

  /** Stops publishing reports and passing them on. */
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
