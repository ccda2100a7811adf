import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import express, { type Express, type Request, type RequestHandler } from 'express';
import { aiDashboard, aiGateway, aiMetrics, type Balancer, createBalancer } from '../../index';
import type { ServeOptions, ServeSettings } from './settings';

const DEFAULT_GRACE_MS = 30_000;

/** The HTTP server of one gateway process. */
export class GatewayServer {
  readonly #settings: ServeSettings;
  readonly #balancer: Balancer;
  readonly #server: Server;
  #isStopping = false;

  /** @throws ERR_AI_CONFIG */
  constructor(settings: ServeSettings) {
    this.#settings = settings;
    this.#balancer = createBalancer(settings.config);
    this.#server = createServer(this.#createApp());
  }

  /** Starts the server. Resolves to its port. */
  async listen(): Promise<number> {
    const { port, host } = this.#settings;
    try {
      await this.#balancer.ready();
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(port, host, resolve);
      });
    } catch (error) {
      // A connection to Redis would keep the process alive.
      await this.#balancer.close({ graceMs: 0 });
      throw error;
    }
    return (this.#server.address() as { port: number }).port;
  }

  /** Stops the server: refuses new connections, and gives running calls time to finish. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    await this.#balancer.close({ graceMs: this.#settings.serve.graceMs ?? DEFAULT_GRACE_MS });
    this.#server.closeIdleConnections();
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 1_000).unref())]);
    this.#server.closeAllConnections();
  }

  #createApp(): Express {
    const { serve } = this.#settings;
    const app = express().disable('x-powered-by');
    app.use((_req, res, next) => {
      // Kept-alive connections of clients would delay the end of the process.
      if (this.#isStopping) res.set('connection', 'close');
      next();
    });
    app.get('/healthz', (_req, res) => void res.json({ status: 'ok' }));
    app.get('/readyz', (_req, res) => {
      const { healthy, total } = this.#balancer.stats();
      const isReady = !this.#isStopping && healthy > 0;
      res.status(isReady ? 200 : 503).json({ ready: isReady, healthy, total });
    });
    const admin = requireAdmin(serve.adminToken);
    const metrics = metricsOf(this.#balancer);
    if (metrics) app.get('/metrics', admin, metrics);
    app.use('/dashboard', admin, aiDashboard(this.#balancer, { authorize: () => 'control' }));
    app.use('/v1', aiGateway(this.#balancer, gatewayOptions(serve)));
    return app;
  }
}

function gatewayOptions({ tokens, guard, allowHeaders }: ServeOptions) {
  const byDigest = new Map((tokens || []).map(({ token, ...identity }) => [digest(token), identity]));
  return {
    authenticate: tokens === false ? (false as const) : (req: Request) => byDigest.get(digest(bearerOf(req))),
    ...(guard ? { guard } : {}),
    ...(allowHeaders === undefined ? {} : { allowHeaders }),
  };
}

/** Returns the metrics handler; undefined if prom-client is not installed. */
function metricsOf(balancer: Balancer): RequestHandler | undefined {
  try {
    return aiMetrics(balancer);
  } catch (error) {
    if (/prom-client/.test((error as Error).message)) return undefined;
    throw error;
  }
}

/**
 * Admits requests with the token, sent as a bearer token or as the password of basic authentication. If no token is
 * configured, admits only requests from this machine.
 */
function requireAdmin(token: string | undefined): RequestHandler {
  return (req, res, next) => {
    const isAllowed =
      token === undefined ? isLocal(req) : isEqual(bearerOf(req), token) || isEqual(passwordOf(req), token);
    if (isAllowed) next();
    else
      res
        .status(token === undefined ? 403 : 401)
        .set('www-authenticate', 'Basic')
        .end();
  };
}

/**
 * Whether a request comes from this machine. A forwarded one does not count, since its client may be another machine.
 */
function isLocal(req: Request): boolean {
  const isForwarded = 'x-forwarded-for' in req.headers || 'forwarded' in req.headers;
  return !isForwarded && /^(?:::1|(?:::ffff:)?127\.)/.test(req.socket.remoteAddress ?? '');
}

function bearerOf(req: Request): string {
  return /^Bearer +(.+)$/i.exec(req.get('authorization') ?? '')?.[1] ?? '';
}

function passwordOf(req: Request): string {
  const basic = /^Basic +(.+)$/i.exec(req.get('authorization') ?? '')?.[1] ?? '';
  const text = Buffer.from(basic, 'base64').toString();
  return text.slice(text.indexOf(':') + 1);
}

function isEqual(given: string, expected: string): boolean {
  return timingSafeEqual(Buffer.from(digest(given)), Buffer.from(digest(expected)));
}

/** Hashes a token, so that the duration of a comparison reveals nothing about it. */
function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
