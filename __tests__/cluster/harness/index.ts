export { Member, type MemberOptions } from './member';
export type { CpuTime, Load, MemberConfig, MemberEvent, Outcome } from './messages';
export {
  type Admission,
  type ObservedLimit,
  unitsAdmitted as taken,
  unitsLate,
  usedShare,
  worstExcess,
} from './observer';
export { ProviderProcess } from './provider';
export { RedisProxy } from './redis-proxy';
export {
  type CommandCounts,
  freePort,
  type KeyInfo,
  RedisServer,
  type RedisServerOptions,
} from './redis-server';
export { ClusterRig } from './rig';
export { Workers } from './workers';
