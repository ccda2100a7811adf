import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Balancer, type BalancerConfig, type EndpointConfig } from 'express-ai-balancer';

export { pause, pauseAndRead, rejection, until } from '../helpers/async';

/** One request as it arrived at an endpoint. */
export interface UpstreamRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly name: string;
  readonly body: Record<string, unknown>;
  readonly headers: IncomingHttpHeaders;
  /** From 1, at this endpoint. */
  readonly nth: number;
  readonly at: number;
}

export type Responder = (arrival: UpstreamRequest) => void;

/** One HTTP server for every endpoint of a test, each under its own path. */
export class Upstream {
  readonly requests: UpstreamRequest[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  readonly #server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => this.#serve(req, res));
  readonly #plays: Record<string, Responder>;

  constructor(responders: Readonly<Record<string, Responder>>) {
    this.#plays = { ...responders };
    this.#server.on('connection', (socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  url(name: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  /** Answers the requests that arrive from now on. */
  play(name: string, responder: Responder): void {
    this.#plays[name] = responder;
  }

  count(name: string): number {
    return this.requests.filter((arrival) => arrival.name === name).length;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  #serve(req: IncomingMessage, res: ServerResponse): void {
    const at = performance.now();
    const name = (req.url ?? '').split('/')[1] ?? '';
    let text = '';
    req.setEncoding('utf8');
    req.on('data', (part: string) => (text += part));
    req.on('end', () => {
      const body = JSON.parse(text) as Record<string, unknown>;
      const arrival = { req, res, name, body, headers: req.headers, nth: this.count(name) + 1, at };
      this.requests.push(arrival);
      (this.#plays[name] ?? answer())(arrival);
    });
  }
}

export const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

/** A complete answer, streamed if the request says so. */
export function answer(content = 'Hello', usage: unknown = USAGE): Responder {
  return (arrival) => {
    if (arrival.body['stream'] === true) {
      startStream(arrival, content);
      endStream(arrival, usage);
      return;
    }
    json(arrival, 200, {
      id: 'x',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }],
      usage,
    });
  };
}

/** An error in OpenAI's form. */
export function error(status: number, fields: object = {}, headers: Record<string, string> = {}): Responder {
  const body = { error: { message: `status ${status}`, type: 'error', code: null, ...fields } };
  return (arrival) => json(arrival, status, body, headers);
}

/** A response with this status and body. */
export function raw(status: number, body: string, headers: Record<string, string> = {}): Responder {
  return ({ res }) => res.writeHead(status, headers).end(body);
}

export const silence: Responder = () => undefined;
export const reset: Responder = ({ res }) => res.socket?.destroy();

/** One responder after another; the last one stays. */
export function inSequence(...responders: Responder[]): Responder {
  return (arrival) => responders[Math.min(arrival.nth, responders.length) - 1]?.(arrival);
}

export function json(
  { res }: UpstreamRequest,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export function startStream({ res }: UpstreamRequest, content: string): void {
  if (!res.headersSent) res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(event({ choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }] }));
}

export function endStream({ res }: UpstreamRequest, usage: unknown = USAGE): void {
  res.write(event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
  if (usage !== undefined) res.write(event({ choices: [], usage }));
  res.end('data: [DONE]\n\n');
}

export function event(data: object): string {
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', ...data })}\n\n`;
}

export const KEY = 'sk-test-very-secret-0123456789';
export const PROMPT = 'the prompt that must not leak';
export const BODY = { model: 'm', messages: [{ role: 'user' as const, content: PROMPT }] };

export interface RigConfig extends Partial<Omit<BalancerConfig, 'endpoints'>> {
  /** More options of single endpoints. */
  readonly each?: Readonly<Record<string, Partial<EndpointConfig>>>;
  /** Endpoints without a responder. */
  readonly more?: EndpointConfig[];
}

/** A balancer over one upstream, closed after each test. The endpoints are tiers in the order of the responders. */
export class Rig {
  readonly #open: (() => Promise<void>)[] = [];

  constructor() {
    afterEach(async () => {
      for (const close of this.#open.splice(0).reverse()) await close();
    });
  }

  /** Closes with the test. */
  use(close: () => Promise<void>): void {
    this.#open.push(close);
  }

  async start(
    responders: Readonly<Record<string, Responder>>,
    { each = {}, more = [], ...config }: RigConfig = {},
  ): Promise<{ balancer: Balancer; upstream: Upstream; endpoints: EndpointConfig[] }> {
    const upstream = await new Upstream(responders).listen();
    this.use(() => upstream.close());
    const endpoints = Object.keys(responders).map((name, tier) => ({
      name,
      tier,
      model: 'm',
      baseURL: upstream.url(name),
      apiKey: KEY,
      ...each[name],
    }));
    const balancer = new Balancer({
      logger: false,
      endpoints: [...endpoints, ...more],
      fallbacks: {},
      hedge: false,
      // Expected to answer at once, so that limits computed from the expected time don't apply.
      models: { m: { latency: { firstTokenMs: 1, msPerPromptToken: 0, msPerOutputToken: 0 } } },
      ...config,
    });
    this.use(() => balancer.close({ graceMs: 0 }));
    return { balancer, upstream, endpoints };
  }
}

/** The text of a call, whole or streamed. */
export async function chatText(balancer: Balancer, stream: boolean, options = {}) {
  if (!stream) {
    const { data, route } = await balancer.chat(BODY, options).withRoute();
    return { text: data.choices[0]?.message.content ?? '', route };
  }
  const { data } = await balancer.chat({ ...BODY, stream: true }, options).withRoute();
  let text = '';
  for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? '';
  return { text, route: data.route };
}

export function statsOf(balancer: Balancer, name: string) {
  const found = balancer.stats().endpoints.find((endpoint) => endpoint.name === name);
  if (!found) throw new Error(`no endpoint ${name}`);
  return found;
}
