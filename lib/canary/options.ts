/**
 * How much worse than the others a canary may be before it is rolled back: a multiple of theirs, or false to not look. Each
 * is tested so that together they roll a canary that is not worse back with a probability of at most 5 %.
 */
export interface CanaryGuard {
  /** Share of attempts that fail. Default 1: it may not fail more often. */
  errors?: number | false;
  /** Duration of attempts that only one in twenty exceeds; of streams until their first content. Default 1.5. */
  p95?: number | false;
  /** US dollars per call. Default 2. */
  cost?: number | false;
  /** What the score that the app reports with `balancer.score()` lacks to 1. Default 1: it may not be scored worse. */
  score?: number | false;
}

/** A model or endpoint that is tried on a share of the calls. Name one of `model` and `endpoint`. */
export interface CanaryOptions {
  /** The new model: a share of the chat calls that ask for another model goes to its endpoints. */
  model?: string;
  /** The new endpoint: a share of the calls that it could serve goes to it, and the others don't. */
  endpoint?: string;
  /** The model or alias whose calls take part. Default: all calls, with `model` those of every other model. */
  replaces?: string;
  /** The share of the calls, above 0 and at most 0.5. Calls of one session, else of one tenant, all go the same way. */
  share: number;
  /** When it is rolled back. Default: see {@link CanaryGuard}. */
  guard?: CanaryGuard;
}

/** The options with every default filled in. */
export interface ResolvedCanary extends Readonly<Omit<CanaryOptions, 'guard'>> {
  readonly guard: Readonly<Required<CanaryGuard>>;
}

/** Where a canary stands. */
export interface CanaryStats {
  /** Name of the model or endpoint. */
  readonly name: string;
  /** 'testing'; 'promoted' by the app: all calls go to it; 'rolled-back': none do. */
  readonly state: 'testing' | 'promoted' | 'rolled-back';
  /** Why it was promoted or rolled back; absent while it is tested. */
  readonly reason?: string;
  /** First attempts of calls that went to the canary, and how many failed. */
  readonly calls: number;
  /** Of these, the failed ones. */
  readonly failures: number;
  /** The same of the calls that it is compared with. */
  readonly otherCalls: number;
  /** Of these, the failed ones. */
  readonly otherFailures: number;
}

/** A canary was rolled back, by the balancer or by the app, or promoted by the app. */
export interface CanaryEvent extends CanaryStats {
  readonly reason: string;
}
