import type { CallSignal } from '../call/call-signal';
import type { Dialect, DialectEndpoint } from '../provider/dialect';
import type { EndpointConfig, Timeouts } from '../provider/endpoint-config';
import type { Redactor } from '../util/redactor';
import type { ClipUsage } from './clip-usage';
import type { Transport } from './transport';

export interface ExchangeOptions {
  /** The time limit of the attempt, in milliseconds: for a stream until its first content, else the whole answer. */
  readonly limitMs: number;
  /** Called when the limit is reached. Returns how much longer to wait, in milliseconds; 0 ends the attempt. */
  readonly extensionMs?: (() => number) | undefined;
  readonly maxResponseBytes: number;
  /** Aborts when the caller leaves or the attempt loses to a hedge. */
  readonly signal: CallSignal;
}

export interface ClippedExchangeOptions extends ExchangeOptions {
  /** Limits the usage that the upstream reports to what the call could have used. */
  readonly clipUsage: ClipUsage;
  /** Called for each event of a stream that is skipped because it can't be read. */
  readonly onSkippedEvent?: () => void;
}

/** The part of an endpoint's settings that an exchange needs. */
export interface ExchangeSettings extends Omit<DialectEndpoint, 'apiKey'> {
  /** If it is a function, it is called before each attempt. */
  readonly apiKey: EndpointConfig['apiKey'];
  readonly timeouts: Pick<Timeouts, 'stallMs'>;
  readonly capabilities: ReadonlySet<string>;
}

export interface ExchangeParts {
  readonly settings: ExchangeSettings;
  readonly dialect: Dialect;
  readonly transport: Transport;
  /** Replaces secrets in texts from the upstream. */
  readonly redactor?: Redactor;
  /** Called with the features of a call that its request leaves out, because the provider doesn't support them. */
  readonly onDropped?: (features: readonly string[]) => void;
}
