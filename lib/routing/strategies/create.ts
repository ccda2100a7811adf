import type { ScoreWeights, Strategy, StrategyName } from '../strategy';
import { Adaptive } from './adaptive';
import { CustomStrategy } from './custom';
import { LowestLatency, leastBusy, lowestCost } from './least';
import { RoundRobin } from './round-robin';
import { Weighted } from './weighted';

const BUILT_IN: Readonly<Record<StrategyName, (weights: ScoreWeights) => Strategy>> = {
  adaptive: (weights) => new Adaptive(weights),
  weighted: () => new Weighted(),
  'round-robin': () => new RoundRobin(),
  'least-busy': leastBusy,
  'lowest-latency': () => new LowestLatency(),
  'lowest-cost': lowestCost,
};

/** Creates the configured strategy: a built-in one by name, or the custom one. */
export function createStrategy(config: {
  readonly strategy: StrategyName | Strategy;
  readonly scoreWeights: ScoreWeights;
}): Strategy {
  const { strategy, scoreWeights } = config;
  return typeof strategy === 'string' ? BUILT_IN[strategy](scoreWeights) : new CustomStrategy(strategy);
}
