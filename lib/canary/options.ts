/**
 * How much worse than the other calls a canary may be before it is rolled back, as a multiple of their value; false
 * skips the metric. The probability that a canary which is not worse gets rolled back is at most 5 % for all metrics
 * together.
 */
export interface CanaryGuard {
  /** Share of attempts that fail. Default 1: the canary may not fail more often. */
  errors?: number | false | undefined;
  /** 95th percentile of the duration of attempts; of streams, the time to their first content. Default 1.5. */
  p95?: number | false | undefined;
  /** US dollars per call. Default 2. */
  cost?: number | false | undefined;
  /** 1 minus the score that the app reports with `balancer.score()`. Default 1: the canary may not score worse. */
  score?: number | false | undefined;
}

/** A model or endpoint that is tried on a share of the calls. Set either `model` or `endpoint`. */
export interface CanaryOptions {
  /** The new model. A share of the chat calls that request another model goes to its endpoints. */
  model?: string | undefined;
  /** Name of the new endpoint. A share of the calls that it could serve goes to it; the rest go to other endpoints. */
  endpoint?: string | undefined;
  /** The model or alias whose calls take part. Default: all calls; with `model`, those that request another model. */
  replaces?: string | undefined;
  /** Share of the calls, above 0 and at most 0.5. All calls of a session, or else of a tenant, go to the same side. */
  share: number;
  /** When the canary is rolled back. Default: see {@link CanaryGuard}. */
  guard?: CanaryGuard | undefined;
}

/** The options with all defaults filled in. */
export interface ResolvedCanary extends Readonly<Omit<CanaryOptions, 'guard'>> {
  readonly guard: Readonly<Required<CanaryGuard>>;
}

/** State and counts of a canary. */
export interface CanaryStats {
  /** Name of the model or endpoint. */
  readonly name: string;
  /** 'testing'; 'promoted' (by the app: all calls that take part go to it); or 'rolled-back' (none do). */
  readonly state: 'testing' | 'promoted' | 'rolled-back';
  /** Why the canary was promoted or rolled back; absent while it is tested. */
  readonly reason?: string;
  /** Number of compared calls that went to the canary. */
  readonly calls: number;
  /** First attempts at the canary that failed, and streams of the canary that broke off. */
  readonly failures: number;
  /** Number of compared calls that did not go to the canary. */
  readonly otherCalls: number;
  /** First attempts of the compared other calls that failed, and their streams that broke off. */
  readonly otherFailures: number;
}

/** A canary was rolled back, by the balancer or by the app, or promoted by the app. */
export interface CanaryEvent extends CanaryStats {
  readonly reason: string;
}
