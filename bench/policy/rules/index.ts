import type { Policy } from '../../../lib/cli/simulate/engine/run';
import type { VirtualProvider } from '../../../lib/cli/simulate/engine/virtual-provider';
import type { FleetEndpoint } from '../fleets';
import { hotCold } from './hot-cold';
import { leastRequest } from './least-request';
import { latencyBased, leastBusy, simpleShuffle } from './litellm';
import { peakEwma } from './peak-ewma';
import { roundRobin } from './round-robin';
import { rulePolicy } from './rule';
import { weightedBreaker } from './weighted-breaker';

type MakePolicy = (fleet: readonly FleetEndpoint[], providers: readonly VirtualProvider[]) => Policy;

/** The rules of other balancers by their name on the command line. */
export const RULES: ReadonlyMap<string, MakePolicy> = new Map<string, MakePolicy>([
  ['other:weighted', (...run) => rulePolicy(weightedBreaker, ...run)],
  ['other:round-robin', (...run) => rulePolicy(roundRobin(), ...run)],
  ['litellm:simple-shuffle', (...run) => rulePolicy(simpleShuffle, ...run)],
  ['litellm:least-busy', (...run) => rulePolicy(leastBusy, ...run)],
  ['litellm:latency-based', (...run) => rulePolicy(latencyBased, ...run)],
  ['helicone:peak-ewma', (...run) => rulePolicy(peakEwma, ...run)],
  ['prequal-like', (...run) => rulePolicy(hotCold, ...run)],
  ['envoy-like', (...run) => rulePolicy(leastRequest(), ...run)],
]);
