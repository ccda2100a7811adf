/** Titles of the policies by their name on the command line. This module must not load anything that reads the clock. */
export const POLICIES: ReadonlyMap<string, string> = new Map([
  ['adaptive', '**adaptive**'],
  ['round-robin', 'round-robin'],
  ['least-busy', 'least-busy'],
  ['lowest-latency', 'lowest-latency'],
  ['lowest-cost', 'lowest-cost'],
  ['weighted', 'weighted'],
  ['other:weighted', 'weighted random, 5-failure breaker, fallback chain'],
  ['other:round-robin', 'round robin, 2 retries'],
  ['litellm:simple-shuffle', 'LiteLLM simple-shuffle'],
  ['litellm:least-busy', 'LiteLLM least-busy'],
  ['litellm:latency-based', 'LiteLLM latency-based'],
  ['helicone:peak-ewma', 'Helicone P2C PeakEWMA'],
  ['prequal-like', 'Prequal-like, hot/cold'],
  ['envoy-like', 'Envoy-like least request'],
]);

/** The package's own strategies. */
export const STRATEGIES = [
  'adaptive',
  'weighted',
  'round-robin',
  'least-busy',
  'lowest-latency',
  'lowest-cost',
] as const;
