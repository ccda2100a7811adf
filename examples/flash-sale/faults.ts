import type { Fault, FleetProcess, RemoteFault } from 'express-ai-balancer/simulator';

/** What can be wrong with a provider. */
export type FaultKind = 'down' | 'slow' | 'errors' | 'bad key';

const FAULTS: Record<FaultKind, Fault> = {
  down: { kind: 'refuse' },
  slow: { kind: 'brownout', factor: 6 },
  errors: { kind: 'err5xx', status: 503 },
  'bad key': { kind: 'unauthorized' },
};

export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

/** An active fault of one provider. */
export interface ActiveFault {
  provider: string;
  kind: FaultKind;
}

/** Breaks and heals providers: the same ones for every shop that has them, so that the comparison stays fair. */
export class Faults {
  readonly #fleets: readonly FleetProcess[];
  readonly #active = new Map<string, { kind: FaultKind; started: Promise<RemoteFault[]> }>();

  constructor(fleets: readonly FleetProcess[]) {
    this.#fleets = fleets;
  }

  get active(): ActiveFault[] {
    return [...this.#active].map(([provider, { kind }]) => ({ provider, kind }));
  }

  /** Breaks a provider. It has one fault at a time: another one replaces it. */
  async break(provider: string, kind: FaultKind, fault = FAULTS[kind]): Promise<void> {
    await this.heal(provider);
    const started = Promise.all(this.#fleets.map((fleet) => fleet.provider(provider).fault(fault)));
    this.#active.set(provider, { kind, started });
    await started;
  }

  /** Ends the provider's fault, if it has one: of any kind, or of this one only. */
  async heal(provider: string, kind?: FaultKind): Promise<void> {
    const fault = this.#active.get(provider);
    if (!fault || (kind !== undefined && fault.kind !== kind)) return;
    this.#active.delete(provider);
    await Promise.all((await fault.started).map((handle) => handle.end()));
  }

  async healAll(): Promise<void> {
    await Promise.all(this.active.map(({ provider }) => this.heal(provider)));
  }
}
