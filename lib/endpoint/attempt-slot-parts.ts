import type { SpendReservation } from '../budget/reservation';
import type { Call } from '../call/call';
import type { BreakerTicket } from '../health/breaker-types';
import type { ExchangeParts } from '../http/exchange';
import type { Quota } from '../quota/quota';
import type { OnQuotaCorrected } from '../quota/quotas';
import type { Reservation } from '../quota/reservation';
import type { TokensCharged, TokensSentSnapshot } from '../quota/tokens-charged';
import type { AttemptOutcome } from './attempt-outcome';
import type { EndpointHealth } from './endpoint-health';
import type { EndpointSettings } from './endpoint-settings';

/** The part of an endpoint that its slots use. */
export interface SlotEndpoint {
  readonly settings: EndpointSettings;
  /** Where attempts are sent. May change on reload. */
  readonly exchange: ExchangeParts;
  readonly health: EndpointHealth;
  readonly tokensCharged: TokensCharged;
  readonly quotas: readonly Quota[];
}

export interface AttemptSlotParts<E extends SlotEndpoint> {
  readonly endpoint: E;
  readonly call: Call;
  readonly reservation: Reservation;
  /** The amount reserved in budgets; undefined if the endpoint has no budgets. */
  readonly spending: SpendReservation | undefined;
  readonly ticket: BreakerTicket;
  /** Running totals of tokens sent to the provider when this attempt was sent. */
  readonly tokensSent: TokensSentSnapshot;
  /** Other attempts in flight at the endpoint when this attempt was sent. */
  readonly inFlight: number;
  /** Returns the function to call when headers have corrected the quotas; undefined if nobody listens. */
  readonly quotaListener: () => OnQuotaCorrected | undefined;
  /** Applies the outcome to the endpoint. */
  readonly apply: (outcome: AttemptOutcome) => void;
}

/** The time limit of an attempt, in milliseconds. */
export interface TimeLimit {
  readonly ms: number;
  /** The limit that the attempt would have if its call had no deadline. */
  readonly withoutDeadlineMs: number;
}
