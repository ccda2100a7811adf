import { type ChildProcess, fork } from 'node:child_process';
import type { Fault } from '../behavior';
import { type FleetDescription, getByName } from '../fleet';
import type { ProviderStats } from '../server/provider';
import type { RecordedRequest } from '../server/request-log';
import { findChildModule } from './child-module';
import type { Command, Ports, Reply } from './messages';

/** A provider in another process: like SimulatedProvider, but every method returns a promise. */
export interface RemoteProvider {
  /** The provider's name. */
  readonly name: string;
  /** The provider's port on 127.0.0.1. */
  readonly port: number;
  /** The provider's base URL for clients; ends in `/v1`. */
  readonly url: string;
  /** Activates a fault. Rejects with the message of the TypeError if the fault is invalid. */
  fault(fault: Fault): Promise<RemoteFault>;
  /** Ends every fault. */
  clearFaults(): Promise<void>;
  /** Counters and active faults. */
  stats(): Promise<ProviderStats>;
  /** The last requests, oldest first. */
  requests(): Promise<RecordedRequest[]>;
}

/** An active fault of a provider in another process. */
export interface RemoteFault {
  /** Id of the active fault, unique within the provider. */
  readonly id: string;
  /** The fault as it was given. */
  readonly fault: Fault;
  /** Ends the fault. */
  end(): Promise<void>;
}

/** Providers that run in a child process. */
export interface FleetProcess {
  /** Process id of the child. */
  readonly pid: number;
  /** The providers by name. */
  readonly providers: ReadonlyMap<string, RemoteProvider>;
  /** The provider with that name. Throws a RangeError if there is none. */
  provider(name: string): RemoteProvider;
  /** Kills the child process and with it every connection. */
  close(): Promise<void>;
}

/**
 * Starts several providers in a child process, so that they do not share the event loop with the app under test. The
 * child ends with this process. The description is sent as JSON, so it cannot hold `reply` functions. Rejects if a
 * provider cannot start or the child ends.
 */
export async function startFleetProcess(description: FleetDescription): Promise<FleetProcess> {
  const link = new ChildConnection(forkChild());
  try {
    const ports = (await link.request({ type: 'start', description })) as Ports;
    const providers = new Map(ports.map(({ name, port }) => [name, remoteProvider(link, name, port)]));
    return {
      pid: link.child.pid ?? 0,
      providers,
      provider: (name) => getByName(providers, name),
      close: () => link.close(),
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}

function remoteProvider(link: ChildConnection, provider: string, port: number): RemoteProvider {
  return {
    name: provider,
    port,
    url: `http://127.0.0.1:${port}/v1`,
    fault: async (fault) => {
      const id = (await link.request({ type: 'fault', provider, fault })) as string;
      return { id, fault, end: () => link.send({ type: 'endFault', provider, faultId: id }) };
    },
    clearFaults: () => link.send({ type: 'clearFaults', provider }),
    stats: () => link.request({ type: 'stats', provider }) as Promise<ProviderStats>,
    requests: () => link.request({ type: 'requests', provider }) as Promise<RecordedRequest[]>,
  };
}

function forkChild(): ChildProcess {
  const { file, execArgv } = findChildModule();
  return fork(file, [], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

type WithoutId<T> = T extends { id: number } ? Omit<T, 'id'> : never;

interface PendingRequest {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

/** Requests and replies over the child's IPC channel. */
class ChildConnection {
  readonly child: ChildProcess;
  readonly #waiting = new Map<number, PendingRequest>();
  readonly #exited: Promise<void>;
  #count = 0;
  #gone = false;

  constructor(child: ChildProcess) {
    this.child = child;
    child.on('message', (reply: Reply) => this.#settle(reply));
    this.#exited = new Promise((resolve) => {
      const hasExited = () => {
        this.#gone = true;
        for (const { reject } of this.#waiting.values()) reject(processEnded());
        this.#waiting.clear();
        resolve();
      };
      child.once('exit', hasExited);
      child.once('error', hasExited);
    });
  }

  request(command: WithoutId<Command>): Promise<unknown> {
    if (this.#gone) return Promise.reject(processEnded());
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.child.send({ id, ...command }, (error) => {
        if (error) this.#settle({ id, error: error.message });
      });
    });
  }

  async send(command: WithoutId<Command>): Promise<void> {
    await this.request(command);
  }

  async close(): Promise<void> {
    if (!this.#gone) this.child.kill('SIGKILL');
    await this.#exited;
  }

  #settle(reply: Reply): void {
    const pending = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('error' in reply) pending?.reject(new Error(reply.error));
    else pending?.resolve(reply.result);
  }
}

function processEnded(): Error {
  return new Error('The child process of the simulated fleet has ended');
}
