import type { Policy } from '../../../lib/cli/simulate/engine/run';
import type { VirtualProvider } from '../../../lib/cli/simulate/engine/virtual-provider';
import { hotCold } from './hot-cold';
import { leastRequest } from './least-request';
import { latencyBased, leastBusy, simpleShuffle } from './litellm';
import { peakEwma } from './peak-ewma';
import { roundRobin } from './round-robin';
import { rulePolicy } from './rule';
import { weightedBreaker } from './weighted-breaker';

type MakePolicy = (providers: readonly VirtualProvider[]) => Policy;

/** The rules of other balancers by their name on the command line. */
export const RULES: ReadonlyMap<string, MakePolicy> = new Map<string, MakePolicy>([
  ['other:weighted', (providers) => rulePolicy(weightedBreaker, providers)],
  ['other:round-robin', (providers) => rulePolicy(roundRobin(), providers)],
  ['litellm:simple-shuffle', (providers) => rulePolicy(simpleShuffle, providers)],
  ['litellm:least-busy', (providers) => rulePolicy(leastBusy, providers)],
  ['litellm:latency-based', (providers) => rulePolicy(latencyBased, providers)],
  ['helicone:peak-ewma', (providers) => rulePolicy(peakEwma, providers)],
  ['prequal-like', (providers) => rulePolicy(hotCold, providers)],
  ['envoy-like', (providers) => rulePolicy(leastRequest(), providers)],
]);
