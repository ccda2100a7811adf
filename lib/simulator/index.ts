export * from './behavior';
export { type Fleet, type FleetDescription, startFleet } from './fleet';
export {
  type FleetProcess,
  type RemoteFault,
  type RemoteProvider,
  startFleetProcess,
} from './process/fleet-process';
export type { Reply } from './server/chat-request';
export type { FaultHandle } from './server/fault-switch';
export {
  type ProviderOptions,
  type ProviderStats,
  SimulatedProvider,
  startProvider,
} from './server/provider';
export type { RecordedRequest } from './server/request-log';
