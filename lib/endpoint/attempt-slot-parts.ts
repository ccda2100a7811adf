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

/** The endpoint, as far as its slots use it. */
export interface SlotEndpoint {
  readonly settings: EndpointSettings;
  /** Where attempts are sent. A reload changes it. */
  readonly exchange: ExchangeParts;
  readonly health: EndpointHealth;
  readonly tokensCharged: TokensCharged;
  readonly quotas: readonly Quota[];
}

export interface AttemptSlotParts<E extends SlotEndpoint> {
  readonly endpoint: E;
  readonly call: Call;
  readonly reservation: Reservation;
  /** The money reserved in budgets; undefined without any. */
  readonly spending: SpendReservation | undefined;
  readonly ticket: BreakerTicket;
  /** What the provider had been asked for when this attempt was sent. */
  readonly tokensSent: TokensSentSnapshot;
  /** Other calls in flight when this attempt was sent. */
  readonly inFlight: number;
  /** What is called when headers have corrected the quotas; undefined where nobody wants to know. */
  readonly quotaListener: () => OnQuotaCorrected | undefined;
  /** Applies the outcome to the endpoint. */
  readonly apply: (outcome: AttemptOutcome) => void;
}
