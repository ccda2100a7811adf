import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { CERTIFICATE, CERTIFICATE_KEY } from './certificate';

const TLS = { cert: CERTIFICATE, key: CERTIFICATE_KEY };

export const ANSWER = JSON.stringify({
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello' } }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
});

export function chunk(content: string, finish_reason: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`;
}

export interface Listening {
  readonly port: number;
  readonly sockets: ReadonlySet<Socket>;
  close(): Promise<void>;
}

/** Listens on a free port and keeps track of the connections. */
export async function listen(server: Server | Http2SecureServer): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Answers when the request has arrived whole. */
export function answering(respond: (req: IncomingMessage, res: ServerResponse, body: string) => void) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    let body = '';
    req.setEncoding('utf8');
    req.on('data', (part: string) => (body += part));
    req.on('end', () => respond(req, res, body));
  };
}

export function httpServer(respond: Parameters<typeof answering>[0]): Promise<Listening> {
  return listen(createHttpServer(answering(respond)));
}

export function httpsServer(respond: Parameters<typeof answering>[0]): Promise<Listening> {
  return listen(createHttpsServer(TLS, answering(respond)));
}

/** Speaks HTTP/2 only, unless HTTP/1 is allowed. */
export function http2Server(
  respond: (stream: ServerHttp2Stream, body: string) => void,
  options: { readonly allowHTTP1?: boolean; readonly maxConcurrentStreams?: number } = {},
): Promise<Listening> {
  const { maxConcurrentStreams, allowHTTP1 } = options;
  const settings = maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams };
  const server = createSecureServer({ ...TLS, settings, allowHTTP1 });
  server.on('stream', (stream: ServerHttp2Stream) => {
    let body = '';
    stream.setEncoding('utf8');
    stream.on('error', () => undefined);
    stream.on('data', (part: string) => (body += part));
    stream.on('end', () => respond(stream, body));
  });
  return listen(server);
}

export interface ProxyRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

/** An HTTP proxy: tunnels CONNECT, and forwards requests that name a whole URL. */
export async function proxyServer(
  requests: ProxyRequest[],
  refusal?: number,
): Promise<Listening & { readonly seen: () => string }> {
  let seen = '';
  const server = createHttpServer((req, res) => {
    requests.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers });
    const { port, pathname } = new URL(req.url ?? '');
    const upstream = connect(Number(port), '127.0.0.1', () => {
      upstream.write(
        `${req.method} ${pathname} HTTP/1.1\r\nhost: ${req.headers.host}\r\ncontent-length: ${req.headers['content-length']}\r\nconnection: close\r\n\r\n`,
      );
      req.pipe(upstream, { end: false });
    });
    upstream.pipe(res.socket as Socket);
  });
  server.on('connect', (req, socket: Socket, head: Buffer) => {
    requests.push({ method: 'CONNECT', url: req.url ?? '', headers: req.headers });
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal} Refused\r\n\r\n`);
      return;
    }
    const upstream = connect(Number((req.url ?? '').split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      socket.on('data', (data) => (seen += data.toString('latin1')));
      socket.pipe(upstream).pipe(socket);
    });
    for (const end of [socket, upstream]) end.on('error', () => undefined);
  });
  return { ...(await listen(server)), seen: () => seen };
}
