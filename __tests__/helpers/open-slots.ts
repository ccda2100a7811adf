/*
 * Part of every test file: remembers the endpoints, reservations and wait queues of its balancers, and tells what is
 * left of them. It wraps the modules of the package, so that the package has no code for it; a module that a test does
 * not load is not loaded for this either. ./slot-checking-environment.ts asks when the file has ended.
 */
import type * as EndpointModule from '../../lib/endpoint/endpoint';
import type * as ExecutorModule from '../../lib/failover/executor';
import type * as ReservationModule from '../../lib/quota/reservation';

const endpoints = new Set<EndpointModule.Endpoint>();
const reservations = new Set<ReservationModule.Reservation>();
const queues = new Set<{ readonly size: number }>();
/** Reservations that a test makes itself, without an attempt slot, are its own affair. */
let isAcquiring = false;

jest.mock('../../lib/endpoint/endpoint', () => {
  const actual = jest.requireActual<typeof EndpointModule>('../../lib/endpoint/endpoint');
  const { prototype } = actual.Endpoint;
  const acquireSlot = prototype.acquireSlot;
  prototype.acquireSlot = function (...args) {
    endpoints.add(this);
    isAcquiring = true;
    try {
      return acquireSlot.apply(this, args);
    } finally {
      isAcquiring = false;
    }
  };
  return actual;
});

jest.mock('../../lib/quota/reservation', () => {
  const actual = jest.requireActual<typeof ReservationModule>('../../lib/quota/reservation');
  class Reservation extends actual.Reservation {
    constructor(...args: ConstructorParameters<typeof actual.Reservation>) {
      super(...args);
      if (isAcquiring) reservations.add(this);
    }

    override settle(...args: Parameters<ReservationModule.Reservation['settle']>): void {
      reservations.delete(this);
      super.settle(...args);
    }
  }
  return { ...actual, Reservation };
});

jest.mock('../../lib/failover/executor', () => {
  const actual = jest.requireActual<typeof ExecutorModule>('../../lib/failover/executor');
  class Executor extends actual.Executor {
    constructor(...args: ConstructorParameters<typeof actual.Executor>) {
      super(...args);
      queues.add(args[0].queue);
    }
  }
  return { ...actual, Executor };
});

/** What is still open, one line each. */
function openSlots(): string[] {
  const open: string[] = [];
  for (const { name, inFlight } of endpoints) {
    if (inFlight !== 0) open.push(`endpoint '${name}': ${inFlight} attempts in flight`);
  }
  if (reservations.size > 0) open.push(`${reservations.size} quota reservations that were never settled`);
  for (const { size } of queues) if (size > 0) open.push(`${size} calls in a wait queue`);
  return open;
}

Object.assign(globalThis, { openSlots });
