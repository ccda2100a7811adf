export { type ActiveFault, ActiveFaults } from './active-faults';
export {
  BAD_ANSWERS,
  type BadAnswer,
  type BadAnswerFault,
  type BreakPoint,
  type BrownoutFault,
  type CutFault,
  type DownFault,
  type ErrorFault,
  type Fault,
  type FaultKind,
  type FaultScope,
  type OutageFault,
  parseFault,
  type RateLimitStormFault,
  type RefusalFault,
  type ResetFault,
  type ServerErrorFault,
  type SilenceFault,
  type StallFault,
} from './fault';
export { formatDuration, rateLimitHeaders } from './headers';
export { MODEL_DEFAULTS, type ModelDescription, type ModelProfile } from './model-description';
export {
  type AnswerPlan,
  type ArrivingCall,
  type BreakOff,
  type CallPlan,
  type Damage,
  type ErrorPlan,
  type MalformedAnswer,
  type RefusalReason,
  type ResetPlan,
  type SilentPlan,
  tokensAt,
} from './plan';
export {
  type ActiveCall,
  ProviderBehavior,
  type ProviderBehaviorOptions,
  type ProviderCounters,
} from './provider-behavior';
export { lognormal, type Random, seededRandom } from './random';
export { type Admission, type LimitReading, type LimitWindow, RateLimit } from './rate-limit';
export { TokenBucket } from './token-bucket';
