import type { ScoreWeights, Strategy, StrategyName } from '../strategy';
import { Adaptive } from './adaptive';
import { LeastBusy, LowestCost, LowestLatency } from './least';
import { RoundRobin } from './round-robin';
import { Weighted } from './weighted';

const BUILT_IN: Readonly<Record<StrategyName, (weights: ScoreWeights) => Strategy>> = {
  adaptive: (weights) => new Adaptive(weights),
  weighted: () => new Weighted(),
  'round-robin': () => new RoundRobin(),
  'least-busy': () => new LeastBusy(),
  'lowest-latency': () => new LowestLatency(),
  'lowest-cost': () => new LowestCost(),
};

/** The strategy of a configuration: one of the built-in ones by its name, or the app's own. */
export function createStrategy(config: {
  readonly strategy: StrategyName | Strategy;
  readonly scoreWeights: ScoreWeights;
}): Strategy {
  const { strategy, scoreWeights } = config;
  return typeof strategy === 'string' ? BUILT_IN[strategy](scoreWeights) : strategy;
}
