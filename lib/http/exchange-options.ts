import type { CallSignal } from '../call/call-signal';
import type { Dialect, DialectEndpoint } from '../provider/dialect';
import type { EndpointConfig, Timeouts } from '../provider/endpoint-config';
import type { Redactor } from '../util/redactor';
import type { ClipUsage } from './clip-usage';
import type { Transport } from './transport';

export interface ExchangeOptions {
  /** The time limit of the attempt, in milliseconds: for a stream until its first content, else the whole answer. */
  readonly limitMs: number;
  /** Asked when the limit is reached: how much longer to wait, in milliseconds; 0 to end the attempt. */
  readonly extensionMs?: (() => number) | undefined;
  readonly maxResponseBytes: number;
  /** Aborts when the caller leaves or the attempt lost against a hedge. */
  readonly signal: CallSignal;
}

export interface ClippedExchangeOptions extends ExchangeOptions {
  /** Bounds the usage that the upstream reports. */
  readonly clipUsage: ClipUsage;
  /** Called for each event of a stream that is skipped because it can't be read. */
  readonly onSkippedEvent?: () => void;
}

/** Of an endpoint's settings, what an exchange needs. */
export interface ExchangeSettings extends Omit<DialectEndpoint, 'apiKey'> {
  /** A function is asked before each attempt. */
  readonly apiKey: EndpointConfig['apiKey'];
  readonly timeouts: Pick<Timeouts, 'stallMs'>;
  readonly capabilities: ReadonlySet<string>;
}

export interface ExchangeParts {
  readonly settings: ExchangeSettings;
  readonly dialect: Dialect;
  readonly transport: Transport;
  /** Replaces secrets in what the upstream says. */
  readonly redactor?: Redactor;
  /** Called with what a request has left out of a call, because the provider can't do it. */
  readonly onDropped?: (features: readonly string[]) => void;
}
