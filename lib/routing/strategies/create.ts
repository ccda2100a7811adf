import type { ScoreWeights, Strategy, StrategyName } from '../strategy';
import { Weighted } from './weighted';

/** The strategy of a configuration: one of the built-in ones by its name, or the app's own. */
export function createStrategy(config: {
  readonly strategy: StrategyName | Strategy;
  readonly scoreWeights: ScoreWeights;
}): Strategy {
  if (typeof config.strategy !== 'string') return config.strategy;
  return new Weighted();
}
