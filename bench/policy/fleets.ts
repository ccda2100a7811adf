import fleetFile from './fleet.json';

/** One endpoint of a fleet: what a user knows about it, and how its simulated provider behaves. */
export interface FleetEndpoint {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly rpm: number;
  readonly tpm: number;
  readonly ttftMs: number;
  readonly msPerOutputToken: number;
  readonly msPerPromptToken: number;
  readonly usdPer1MInput: number;
  readonly usdPer1MOutput: number;
  readonly quality: number;
  readonly contextWindow: number;
  readonly tokensCharged: 'reserved' | 'actual';
  readonly bucketSeconds: number;
  readonly sendsRateLimitHeaders: boolean;
  readonly comfortableInFlight: number;
}

export type FleetName = 'standard' | 'fastWrong' | 'servers' | 'large';

const STANDARD = fleetFile as readonly FleetEndpoint[];

/** The share of an endpoint's limits and capacity that each copy in the large fleet has: 42 copies together carry 5.25 times the standard fleet. */
const KEY_SHARE = 1 / 8;

const FLEETS: Readonly<Record<FleetName, readonly FleetEndpoint[]>> = {
  standard: STANDARD,
  fastWrong: STANDARD.map((endpoint) =>
    endpoint.name === 'gemini-flash'
      ? { ...endpoint, ttftMs: 20, msPerPromptToken: 0, msPerOutputToken: 0.5 }
      : endpoint,
  ),
  servers: Array.from({ length: 8 }, (_, index) => server(index + 1)),
  large: Array.from({ length: 42 }, (_, copy) =>
    STANDARD.map((endpoint) => smallKey(endpoint, copy + 1)),
  ).flat(),
};

export function fleetNamed(name: FleetName): readonly FleetEndpoint[] {
  return FLEETS[name];
}

/** One of several equal inference servers. The limits never bind; the latency grows with the load. */
function server(number: number): FleetEndpoint {
  return {
    name: `server-${number}`,
    provider: 'servers',
    model: 'llama-3.3-70b',
    rpm: 3_000,
    tpm: 3_000_000,
    ttftMs: 450,
    msPerOutputToken: 13,
    msPerPromptToken: 0.06,
    usdPer1MInput: 0.3,
    usdPer1MOutput: 0.6,
    quality: 0.88,
    contextWindow: 128_000,
    tokensCharged: 'actual',
    bucketSeconds: 60,
    sendsRateLimitHeaders: false,
    comfortableInFlight: 8,
  };
}

/** A key with a share of the limits and the capacity. */
function smallKey(endpoint: FleetEndpoint, copy: number): FleetEndpoint {
  return {
    ...endpoint,
    name: `${endpoint.name}-${copy}`,
    rpm: Math.round(endpoint.rpm * KEY_SHARE),
    tpm: Math.round(endpoint.tpm * KEY_SHARE),
    comfortableInFlight: Math.max(2, endpoint.comfortableInFlight * KEY_SHARE),
  };
}
