import type { VirtualProvider } from '../../../lib/cli/simulate/engine/virtual-provider';
import type { WorkCall } from '../../../lib/cli/simulate/engine/workload';
import type { FleetEndpoint } from '../fleets';

/** An endpoint with the state that a rule keeps for it. */
export interface RuleEndpoint<State> {
  readonly endpoint: FleetEndpoint;
  readonly provider: VirtualProvider;
  inFlight: number;
  readonly state: State;
}

export function ruleEndpointsOf<State>(
  fleet: readonly FleetEndpoint[],
  providers: readonly VirtualProvider[],
  stateOf: (endpoint: FleetEndpoint) => State,
): RuleEndpoint<State>[] {
  return fleet.map((endpoint, index) => {
    const provider = providers[index];
    if (!provider) throw new RangeError(`no provider for ${endpoint.name}`);
    return { endpoint, provider, inFlight: 0, state: stateOf(endpoint) };
  });
}

/** Whether context window, quality and price ceiling allow the endpoint for a call. The same for every policy. */
export function allows(endpoint: FleetEndpoint, call: WorkCall): boolean {
  if (call.promptTokens + call.maxTokens > endpoint.contextWindow) return false;
  if (endpoint.quality < call.minQuality) return false;
  if (call.maxUsdPer1k === undefined) return true;
  const usd =
    (call.promptTokens * endpoint.usdPer1MInput + call.expectedOutputTokens * endpoint.usdPer1MOutput) / 1e6;
  return (1000 * usd) / (call.promptTokens + call.expectedOutputTokens) <= call.maxUsdPer1k;
}
