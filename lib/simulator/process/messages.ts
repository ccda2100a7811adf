import type { Fault } from '../behavior';
import type { FleetDescription } from '../fleet';

/** A command from the parent to the child process. Each gets one reply with the same id. */
export type Command = { id: number } & (
  | { type: 'start'; description: FleetDescription }
  | { type: 'fault'; provider: string; fault: Fault }
  | { type: 'endFault'; provider: string; faultId: string }
  | { type: 'clearFaults'; provider: string }
  | { type: 'stats'; provider: string }
  | { type: 'requests'; provider: string }
);

export type Reply = { id: number; result: unknown } | { id: number; error: string };

/** The result of 'start'. */
export type Ports = { name: string; port: number }[];
