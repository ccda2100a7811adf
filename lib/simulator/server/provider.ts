import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import {
  type Fault,
  type ModelDescription,
  ProviderBehavior,
  type ProviderCounters,
  seededRandom,
} from '../behavior';
import { Api } from './api';
import type { Reply } from './chat-request';
import { handleControl, isControl } from './control';
import { type FaultHandle, FaultSwitch } from './fault-switch';
import { realTime } from './real-time';
import { type RecordedRequest, RequestLog } from './request-log';

/** Options of a simulated provider. All except `reply` can be written as JSON. */
export interface ProviderOptions {
  /** Name of the provider. Default 'simulated'. */
  name?: string;
  /** Port on 127.0.0.1. Default 0: any free port. */
  port?: number;
  /** The models that the provider serves, by name. Default: 'gpt-4o' without limits. */
  models?: Record<string, ModelDescription>;
  /**
   * Keys that the provider accepts; other keys get 401. Limits are kept per key and model. Default: any key, or none,
   * is accepted.
   */
  keys?: string[];
  /** Share of calls that fail with status 500 while no fault is active, 0 to 1. Default 0.003. */
  errorShare?: number;
  /** Multiplies latencies, but not limits and Retry-After. 0 answers at once. Default 1. */
  timeScale?: number;
  /** Seed of the random lengths, latencies and faults. Default 1. */
  seed?: number;
  /** Number of the latest requests that the property `requests` returns. Default 1000. */
  recordRequests?: number;
  /** Whether request bodies are kept too. Default false. */
  recordBodies?: boolean;
  /** Returns the text of an answer; undefined lets the simulator generate it. Default: always generated. */
  reply?: Reply;
}

const RELISTEN_ATTEMPTS = 40;
const RELISTEN_DELAY_MS = 50;

/** Counters and active faults of a provider. */
export interface ProviderStats extends ProviderCounters {
  /** The provider's name. */
  name: string;
  /** The active faults, oldest first. */
  faults: {
    /** Id of the active fault, unique within the provider. */
    id: string;
    /** The fault as it was given. */
    fault: Fault;
  }[];
}

/** Starts a provider on 127.0.0.1. Rejects if the port is in use, or with a TypeError if an option is invalid. */
export async function startProvider(options: ProviderOptions = {}): Promise<SimulatedProvider> {
  const provider = new SimulatedProvider(options);
  await provider.listen();
  return provider;
}

/**
 * An HTTP server on 127.0.0.1 that behaves like the APIs of OpenAI, Azure OpenAI, Anthropic and Gemini. Create it with
 * `startProvider`.
 */
export class SimulatedProvider {
  /** The provider's name. */
  readonly name: string;
  readonly #behavior: ProviderBehavior;
  readonly #log: RequestLog;
  readonly #faults: FaultSwitch;
  readonly #api: Api;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port: number;
  #closed = false;

  /** Use `startProvider`. Throws a TypeError if an option is invalid. */
  constructor(options: ProviderOptions) {
    this.name = options.name ?? 'simulated';
    this.#port = options.port ?? 0;
    const timeScale = options.timeScale ?? 1;
    if (!(timeScale >= 0 && timeScale < Infinity)) {
      throw new TypeError(`timeScale: expected a number of at least 0, got ${timeScale}`);
    }
    const random = seededRandom(options.seed ?? 1);
    this.#behavior = new ProviderBehavior({
      models: options.models ?? { 'gpt-4o': {} },
      random,
      ...(options.errorShare !== undefined && { errorShare: options.errorShare }),
    });
    this.#log = new RequestLog(options.recordRequests ?? 1000);
    this.#faults = new FaultSwitch(this.#behavior.faults, {
      stopListening: () => this.#stopListening(),
      resumeListening: () => this.#resumeListening(),
    });
    this.#api = new Api({
      behavior: this.#behavior,
      log: this.#log,
      random,
      timeScale,
      keys: options.keys && new Set(options.keys),
      recordBodies: options.recordBodies ?? false,
      reply: options.reply,
    });
  }

  /** The provider's port on 127.0.0.1. */
  get port(): number {
    return this.#port;
  }

  /** The provider's base URL for endpoints and clients of every format; ends in `/v1`. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/v1`;
  }

  /** Names of the models that the provider serves. */
  get models(): string[] {
    return this.#behavior.models;
  }

  /** The last `recordRequests` requests, oldest first. */
  get requests(): RecordedRequest[] {
    return this.#log.list();
  }

  /** Counters and active faults. */
  stats(): ProviderStats {
    return { name: this.name, ...this.#behavior.counters, faults: this.#faults.list() };
  }

  /** Activates a fault. Throws a TypeError that names the field if the fault is invalid. */
  fault(fault: Fault): FaultHandle {
    return this.#faults.on(fault);
  }

  /** Ends one fault. Resolves to false if no fault with that id is active. */
  endFault(id: string): Promise<boolean> {
    return this.#faults.off(id);
  }

  /** Ends every fault. */
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

  /** Starts to listen, on the same port as before if there was one. `startProvider` calls it. */
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

  /**
   * Listens on the same port again. Retries, because an outgoing connection may have taken the port while it was
   * closed.
   */
  async #resumeListening(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.listen();
        return;
      } catch (error) {
        this.#stopListening();
        if (attempt === RELISTEN_ATTEMPTS) throw error;
        await new Promise((resolve) => realTime.setTimeout(resolve, RELISTEN_DELAY_MS));
      }
    }
  }

  #stopListening(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(req: IncomingMessage, res: ServerResponse): void {
    const [path = '/', query = ''] = (req.url ?? '/').split('?', 2);
    const served = isControl(path)
      ? handleControl(req, res, path, this.#faults, () => this.stats())
      : this.#api.handle(req, res, path, query);
    served.catch(() => res.destroy());
  }
}
