import type { FleetDescription } from '../fleet';
import type { Fault } from '../physics';

/** What the parent asks of a fleet in a child process. Each has one reply with the same id. */
export type Command = { id: number } & (
  | { do: 'start'; description: FleetDescription }
  | { do: 'fault'; provider: string; fault: Fault }
  | { do: 'endFault'; provider: string; faultId: string }
  | { do: 'clearFaults'; provider: string }
  | { do: 'stats'; provider: string }
  | { do: 'requests'; provider: string }
);

export type Reply = { id: number; result: unknown } | { id: number; error: string };

/** What 'start' answers. */
export type Ports = { name: string; port: number }[];
