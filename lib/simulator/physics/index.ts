export { TokenBucket } from './bucket';
export { MODEL_DEFAULTS, type ModelDescription, type ModelProfile } from './description';
export {
  BAD_ANSWERS,
  type BadAnswer,
  type Break,
  type ErrorFault,
  type Fault,
  type FaultKind,
  type FaultScope,
  parseFault,
} from './fault';
export { type ActiveFault, FaultBoard } from './fault-board';
export { formatDuration, rateLimitHeaders } from './headers';
export {
  type AnswerPlan,
  type ArrivingCall,
  type CallPlan,
  type Damage,
  type ErrorPlan,
  type ResetPlan,
  type SilentPlan,
  tokensBy,
} from './plan';
export {
  type ActiveCall as Passage,
  type PhysicsOptions,
  type ProviderCounters,
  ProviderPhysics,
} from './provider-physics';
export { lognormal, type Random, seededRandom } from './random';
export { type LimitReading, type LimitWindow, RateLimit } from './rate-limit';
