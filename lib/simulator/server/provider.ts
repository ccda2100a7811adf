import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import {
  type Fault,
  type ModelDescription,
  type ProviderCounters,
  ProviderPhysics,
  seededRandom,
} from '../physics';
import { Api } from './api';
import type { Reply } from './chat-request';
import { handleControl, isControl } from './control';
import { type FaultHandle, FaultSwitch } from './fault-switch';
import { type RecordedRequest, RequestLog } from './request-log';

/** A simulated provider. Everything but `reply` can be written as JSON. */
export interface ProviderOptions {
  /** Only for people. Default 'simulated'. */
  name?: string;
  /** On 127.0.0.1. Default 0: any free port. */
  port?: number;
  /** The models it serves. Default: one, 'gpt-4o', without limits. */
  models?: Record<string, ModelDescription>;
  /** Keys it accepts; others get 401. Default: any key, and no key too. Limits are kept for each key and model. */
  keys?: string[];
  /** Share of calls that answer 500 although no fault is on. Default 0.003. */
  errorShare?: number;
  /** Latencies are multiplied by it; limits and Retry-After are not. Default 1; 0 answers at once. */
  timeScale?: number;
  /** Seed of lengths, latencies and faults. Default 1. */
  seed?: number;
  /** How many of the last requests `requests` keeps. Default 1000. */
  recordRequests?: number;
  /** Whether it keeps their bodies too. Default false. */
  recordBodies?: boolean;
  /** The text of an answer, by code; undefined leaves it to the simulator. */
  reply?: Reply;
}

const RELISTEN_ATTEMPTS = 40;
const RELISTEN_DELAY_MS = 50;

export interface ProviderStats extends ProviderCounters {
  name: string;
  faults: { id: string; fault: Fault }[];
}

/** Starts a provider on a loopback port. Rejects when the port is taken; throws a TypeError for a bad option. */
export async function startProvider(options: ProviderOptions = {}): Promise<SimulatedProvider> {
  const provider = new SimulatedProvider(options);
  await provider.listen();
  return provider;
}

/** A provider on a loopback port that speaks OpenAI's wire format. Made by `startProvider`. */
export class SimulatedProvider {
  readonly name: string;
  readonly #physics: ProviderPhysics;
  readonly #log: RequestLog;
  readonly #faults: FaultSwitch;
  readonly #api: Api;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port: number;
  #closed = false;

  constructor(options: ProviderOptions) {
    this.name = options.name ?? 'simulated';
    this.#port = options.port ?? 0;
    const timeScale = options.timeScale ?? 1;
    if (!(timeScale >= 0 && timeScale < Infinity)) {
      throw new TypeError(`timeScale: expected a number of 0 or more, got ${timeScale}`);
    }
    const random = seededRandom(options.seed ?? 1);
    this.#physics = new ProviderPhysics({
      models: options.models ?? { 'gpt-4o': {} },
      random,
      ...(options.errorShare !== undefined && { errorShare: options.errorShare }),
    });
    this.#log = new RequestLog(options.recordRequests ?? 1000);
    this.#faults = new FaultSwitch(this.#physics.faults, {
      stopListening: () => this.#stopListening(),
      resumeListening: () => this.#resumeListening(),
    });
    this.#api = new Api({
      physics: this.#physics,
      log: this.#log,
      random,
      timeScale,
      keys: options.keys && new Set(options.keys),
      recordBodies: options.recordBodies ?? false,
      reply: options.reply,
    });
  }

  get port(): number {
    return this.#port;
  }

  /** What to give to a client as its base URL. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/v1`;
  }

  get models(): string[] {
    return this.#physics.models;
  }

  /** The last requests that arrived, oldest first. */
  get requests(): RecordedRequest[] {
    return this.#log.list();
  }

  stats(): ProviderStats {
    return { name: this.name, ...this.#physics.counters, faults: this.#faults.list() };
  }

  /** Switches a fault on. Throws a TypeError that names the field for a fault that can't be. */
  fault(fault: Fault): FaultHandle {
    return this.#faults.on(fault);
  }

  /** Switches one fault off; false when no fault of that id is on. */
  endFault(id: string): Promise<boolean> {
    return this.#faults.off(id);
  }

  /** Switches every fault off. */
  clearFaults(): Promise<void> {
    return this.#faults.allOff();
  }

  /** Closes the port and destroys every socket. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#faults.stop();
    const server = this.#server;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.once('close', () => resolve()));
    this.#stopListening();
    await closed;
  }

  /** Listens, on the same port again when it has had one. */
  async listen(): Promise<void> {
    if (this.#server || this.#closed) return;
    const server = createServer({ keepAliveTimeout: 75_000 }, (req, res) => this.#serve(req, res));
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  /** While the port was closed an outgoing connection may have borrowed it, so the first try can fail. */
  async #resumeListening(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.listen();
        return;
      } catch (error) {
        this.#stopListening();
        if (tries === RELISTEN_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, RELISTEN_DELAY_MS));
      }
    }
  }

  #stopListening(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(req: IncomingMessage, res: ServerResponse): void {
    const path = (req.url ?? '/').split('?', 1)[0] ?? '/';
    const served = isControl(path)
      ? handleControl(req, res, path, this.#faults, () => this.stats())
      : this.#api.handle(req, res, path);
    served.catch(() => res.destroy());
  }
}
