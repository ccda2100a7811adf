/** All defaults of the configuration. The names contain the units. */
export const DEFAULTS = deepFreeze({
  strategy: 'adaptive' as const,
  endpoint: {
    provider: 'openai',
    weight: 1,
    tier: 0,
    maxConcurrent: Infinity,
    burstSeconds: 10,
    tokensCharged: 'auto' as const,
    streamUsage: true,
    prefill: false,
  },
  timeouts: {
    totalMs: 60_000,
    embeddingsMs: 30_000,
    connectMs: 5_000,
    firstTokenMs: 30_000,
    stallMs: 15_000,
    readerStallMs: 60_000,
  },
  retry: { maxAttempts: 5, budgetRatio: 0.2, budgetPerSecond: 10, baseDelayMs: 250, maxDelayMs: 8_000 },
  breaker: {
    consecutiveFailures: 5,
    errorThresholdPercentage: 50,
    volumeThreshold: 10,
    resetTimeoutMs: 1_000,
    maxResetTimeoutMs: 20_000,
    rampMs: 5_000,
  },
  hedge: { budgetRatio: 0.05 },
  queue: { maxSize: 10_000, maxBytes: 256 * 1024 * 1024 },
  budgets: { timeZone: 'UTC', window: 'calendar' as const, onExceeded: 'refuse' as const },
  tenantBudgets: { onExceeded: 'refuse' as const, maxTenants: 10_000 },
  canary: { guard: { errors: 1, p95: 1.5, cost: 2, score: 1 } },
  shadow: { maxConcurrent: 4, timeoutMs: 60_000, usdPerDay: 1 },
  coalesce: false,
  idempotency: false,
  cache: {
    calls: 'deterministic' as const,
    ttlMs: 3_600_000,
    staleIfErrorMs: 0,
    maxBytes: 64 * 1024 * 1024,
    redis: false,
  },
  hooks: { windowChars: 200, timeoutMs: 5_000, onFailure: 'closed' as const },
  stream: { recovery: 'error' as const },
  cluster: { prefix: 'ai-balancer', onOutage: 'local-share' as const },
  scoreWeights: {
    deadline: 4,
    speed: 0.5,
    cost: 0.3,
    scarcity: 1,
    failure: 2,
    quality: 0.3,
    triedProvider: 0.3,
    ramp: 0.5,
    weight: 0.2,
    affinity: 0.3,
    type: 0.1,
  },
  http: { proxy: false as const, maxResponseBytes: 32 * 1024 * 1024 },
});

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value) as unknown[]) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
