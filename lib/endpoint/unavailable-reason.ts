import type { FailureClass } from '../failure/classes';
import type { FailureDetail } from '../failure/detail';
import type { Breaker } from '../health/breaker';

/** State of an endpoint: that of its breaker, or why it takes no calls although its breaker is closed. */
export type EndpointState = 'closed' | 'open' | 'half-open' | 'cooldown' | 'disabled';

/** Maximum length of an upstream's message that is kept, in characters. */
const MAX_MESSAGE_CHARS = 300;

/** The part of a failure that explains why an endpoint takes no calls. */
export interface FailureNote extends Pick<FailureDetail, 'class' | 'status' | 'code' | 'message'> {
  /** Unix time in milliseconds. */
  readonly at: number;
}

/**
 * When an operator should enable the endpoint again, for failures that do not end by themselves. Completes "call
 * endpoint(...).enable() ...".
 */
const REMEDIES: Partial<Record<FailureClass, string>> = {
  unauthorized: 'when the key is fixed',
  quota_exhausted: 'when the account has credit again',
  model_missing: 'when its model is available to its key',
  not_served: 'when its baseURL (is /v1 missing?), model and permissions are right',
};

/** The part of an endpoint on whose present state the reason depends. */
export interface ExplainedEndpoint {
  readonly name: string;
  readonly weight: number;
  readonly breaker: Pick<Breaker, 'msUntilProbe'>;
  state(now: number): EndpointState;
  cooldownUntil(now: number): number;
}

/** Remembers why an endpoint takes no calls, and describes it for an operator. The text is never shown to end users. */
export class UnavailableReason {
  /** Whether the endpoint has served a call since the start. */
  hasServed = false;
  readonly #endpoint: ExplainedEndpoint;
  #failure: FailureNote | undefined;
  #cooldown: FailureNote | undefined;
  #openedAt = 0;
  #disabledAt = 0;
  /** The latest text, and the state and end time for which it was made. */
  #cached: { readonly key: string; readonly text: string } | undefined;

  recordFailure(detail: FailureDetail): void {
    this.#failure = noteOf(detail);
    this.#cached = undefined;
  }

  recordCooldown(detail: FailureDetail): void {
    this.#cooldown = noteOf(detail);
    this.#cached = undefined;
  }

  recordOpening(): void {
    this.#openedAt = Date.now();
    this.#cached = undefined;
  }

  recordDisabling(): void {
    this.#disabledAt = Date.now();
    this.#cached = undefined;
  }

  constructor(endpoint: ExplainedEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Describes for an operator why the endpoint takes no calls now; undefined if it takes calls. */
  reason(now: number): string | undefined {
    const endpoint = this.#endpoint;
    const { name, weight } = endpoint;
    const state = endpoint.state(now);
    if (state === 'closed' && weight > 0) return undefined;
    const today = Date.now();
    const cooldownMs = endpoint.cooldownUntil(now) - now;
    const probeMs = endpoint.breaker.msUntilProbe(now);
    const waitMs = Math.max(0, cooldownMs, probeMs);
    // A cooldown that began after the breaker opened, and lasts longer than its wait, is the reason.
    const isNewer = this.#cooldown !== undefined && this.#cooldown.at >= this.#openedAt;
    const isCoolingDown =
      isNewer && cooldownMs > Math.max(0, probeMs) && (state === 'open' || state === 'half-open');
    // The text is cached, because stats() reads all reasons often, and local times are slow to format.
    const end = waitMs === 0 ? '' : Math.round((today + waitMs) / 1_000);
    const shown = isCoolingDown ? 'cooldown' : state;
    const key = `${shown} ${end}`;
    if (this.#cached?.key !== key)
      this.#cached = { key, text: this.#text(name, shown, today, today + waitMs) };
    return this.#cached.text;
  }

  #text(name: string, state: EndpointState, today: number, until: number): string {
    const enable = `call endpoint('${name}').enable()`;
    switch (state) {
      case 'disabled':
        return `disabled by the app since ${clock(this.#disabledAt, today)}; ${enable} to use it again`;
      case 'cooldown':
        return this.#cooldownText(enable, until, today);
      case 'open': {
        const cause = this.#failure ? ` after ${describeFailure(this.#failure)}` : '';
        return `breaker open since ${clock(this.#openedAt, today)}${cause}; next probe at ${clock(until, today)}`;
      }
      case 'half-open': {
        const cause = this.#failure ? `; it had opened after ${describeFailure(this.#failure)}` : '';
        return `breaker half-open: one call at a time probes the endpoint${cause}`;
      }
      case 'closed':
        return `its weight is 0; call endpoint('${name}').setWeight(1) to use it`;
    }
  }

  #cooldownText(enable: string, until: number, now: number): string {
    const note = this.#cooldown;
    // No cooldown was recorded here: it was caused by a 429 at another endpoint of the quota group, in this process or
    // a peer.
    if (!note) return `its quota group cools down until ${clock(until, now)}`;
    const remedy = REMEDIES[note.class];
    const what = `${note.class} since ${clock(note.at, now)}${inParentheses(note)}`;
    return `${what}, cooldown until ${clock(until, now)}${remedy ? `; ${enable} ${remedy}` : ''}`;
  }
}

function noteOf({ class: failure, status, code, message }: FailureDetail): FailureNote {
  return {
    class: failure,
    ...(status === undefined ? {} : { status }),
    ...(code === undefined ? {} : { code }),
    message: message.slice(0, MAX_MESSAGE_CHARS),
    at: Date.now(),
  };
}

/**
 * The fields of a failure that are described, as in `connection (ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:1234)`.
 */
export interface DescribedFailure {
  readonly class?: FailureClass;
  readonly status?: number;
  readonly code?: string;
  readonly message?: string;
}

/** Describes a failure by its class, status, code and the upstream's message. For operators only. */
export function describeFailure(failure: DescribedFailure): string {
  return `${failure.class ?? 'unknown'}${inParentheses(failure)}`;
}

function inParentheses({ status, code, message }: DescribedFailure): string {
  const label = [status, code].filter((part) => part !== undefined).join(' ');
  const parts = [label, message ?? ''].filter((part) => part !== '');
  return parts.length === 0 ? '' : ` (${parts.join(': ')})`;
}

/** The local time of day, with the date if it is not today. */
function clock(at: number, now: number): string {
  const date = new Date(at);
  const two = (part: number): string => String(part).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const isToday = Math.abs(at - now) < 86_400_000 && date.getDate() === new Date(now).getDate();
  return isToday ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}
