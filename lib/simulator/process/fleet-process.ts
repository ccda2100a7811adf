import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type FleetDescription, getByName } from '../fleet';
import type { Fault } from '../physics';
import type { ProviderStats } from '../server/provider';
import type { RecordedRequest } from '../server/request-log';
import type { Command, Ports, Reply } from './messages';

/** A provider in another process: as SimulatedProvider, but what it tells comes as a promise. */
export interface RemoteProvider {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  fault(fault: Fault): Promise<RemoteFault>;
  clearFaults(): Promise<void>;
  stats(): Promise<ProviderStats>;
  requests(): Promise<RecordedRequest[]>;
}

export interface RemoteFault {
  readonly id: string;
  readonly fault: Fault;
  end(): Promise<void>;
}

export interface FleetProcess {
  readonly pid: number;
  readonly providers: ReadonlyMap<string, RemoteProvider>;
  /** Throws a RangeError for a name that isn't there. */
  provider(name: string): RemoteProvider;
  /** Ends the process; its sockets die with it. */
  close(): Promise<void>;
}

/**
 * Runs a fleet in a process of its own, so that providers don't share the event loop with the app under test.
 * The child ends with this process. The description must be plain JSON: `reply` functions don't cross over.
 * Rejects when a provider can't start or the child dies.
 */
export async function startFleetProcess(description: FleetDescription): Promise<FleetProcess> {
  const link = new ChildConnection(forkChild());
  try {
    const ports = (await link.request({ do: 'start', description })) as Ports;
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
      const id = (await link.request({ do: 'fault', provider, fault })) as string;
      return { id, fault, end: () => link.send({ do: 'endFault', provider, faultId: id }) };
    },
    clearFaults: () => link.send({ do: 'clearFaults', provider }),
    stats: () => link.request({ do: 'stats', provider }) as Promise<ProviderStats>,
    requests: () => link.request({ do: 'requests', provider }) as Promise<RecordedRequest[]>,
  };
}

/**
 * The child's module lies beside this one: child.ts in the sources, simulator-child.cjs or .mjs in the package.
 * TypeScript needs its loader.
 */
function forkChild(): ChildProcess {
  const here = import.meta.url;
  const extension = here.slice(here.lastIndexOf('.'));
  const source = extension === '.ts';
  const file = fileURLToPath(new URL(source ? './child.ts' : `./simulator-child${extension}`, here));
  return fork(file, [], {
    execArgv: source ? ['--import', 'tsx'] : [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

type WithoutId<T> = T extends { id: number } ? Omit<T, 'id'> : never;

interface PendingRequest {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

/** Questions and answers over the child's IPC channel. */
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
  return new Error('The process of the simulated fleet has ended');
}
