import { Agent as HttpsAgent } from 'node:https';
import { createServer } from 'node:net';
import tls from 'node:tls';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import axios, { type AxiosAdapter, type AxiosError, type InternalAxiosRequestConfig } from 'axios';
import { Balancer, type BalancerConfig, type EndpointConfig } from 'express-ai-balancer';
import { ConnectionPools } from '../../lib/http/connection/connection-pool';
import { Transport } from '../../lib/http/transport';
import { BODY, KEY, PROMPT, pause, rejection, statsOf, until } from '../failover/upstream';
import { runFixture } from '../helpers/run-fixture';
import { CERTIFICATE } from './certificate';
import {
  ANSWER,
  chunk,
  http2Server,
  httpServer,
  httpsServer,
  type Listening,
  listen,
  type ProxyRequest,
  proxyServer,
} from './servers';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  jest.restoreAllMocks();
  for (const part of open.splice(0).reverse()) await part.close();
});

async function use<T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const part = await starting;
  open.push(part);
  return part;
}

function balancerFor(
  baseURL: string,
  http: BalancerConfig['http'] = {},
  more: Partial<EndpointConfig> = {},
): Balancer {
  const balancer = new Balancer({
    logger: false,
    hedge: false,
    fallbacks: {},
    retry: { maxAttempts: 1 },
    endpoints: [{ name: 'a', model: 'm', baseURL, apiKey: KEY, ...more }],
    http,
  });
  open.push({ close: () => balancer.close({ graceMs: 0 }) });
  return balancer;
}

const textOf = async (balancer: Balancer): Promise<unknown> =>
  (await balancer.chat(BODY)).choices[0]?.message.content;

async function streamedText(balancer: Balancer): Promise<string> {
  let text = '';
  for await (const part of await balancer.chat({ ...BODY, stream: true }))
    text += part.choices[0]?.delta.content ?? '';
  return text;
}

/** As NODE_EXTRA_CA_CERTS does, which Node reads once, when it starts. */
function trustCertificate(): void {
  const { connect } = tls;
  jest
    .spyOn(tls, 'connect')
    .mockImplementation(((options: tls.ConnectionOptions) =>
      connect({ ...options, ca: CERTIFICATE })) as typeof connect);
}

describe('HTTP transport: TLS', () => {
  it('refuses a self-signed certificate with a connection failure that has the TLS error code', async () => {
    const { port } = await use(httpsServer((_req, res) => res.end(ANSWER)));
    expect(await rejection(balancerFor(`https://127.0.0.1:${port}`).chat(BODY))).toMatchObject({
      attempts: [{ class: 'connection', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }],
    });
  });

  it('refuses a certificate for another host', async () => {
    trustCertificate();
    const { port } = await use(httpsServer((_req, res) => res.end(ANSWER)));
    expect(await rejection(balancerFor(`https://127.0.0.2:${port}`).chat(BODY))).toMatchObject({
      attempts: [{ class: 'connection' }],
    });
  });

  it('trusts the authorities in NODE_EXTRA_CA_CERTS', async () => {
    const { stdout, stderr } = await runFixture(`${__dirname}/fixtures/extra-authority.ts`);
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe('Hello');
  });

  it("trusts the authorities of the agent of the app's axios instance", async () => {
    const { port } = await use(httpsServer((_req, res) => res.end(ANSWER)));
    const instance = axios.create({ httpsAgent: new HttpsAgent({ ca: CERTIFICATE }) });
    expect(await textOf(balancerFor(`https://127.0.0.1:${port}`, { axios: instance }))).toBe('Hello');
  });
});

describe('HTTP transport: names and addresses', () => {
  it('a host that does not exist is a connection failure with the error code of the DNS lookup', async () => {
    expect(await rejection(balancerFor('http://nowhere.invalid').chat(BODY))).toMatchObject({
      attempts: [{ class: 'connection', code: expect.stringMatching(/^(?:ENOTFOUND|EAI_AGAIN)$/) as string }],
    });
  });

  it('a port without a server is a connection failure', async () => {
    expect(await rejection(balancerFor('http://127.0.0.1:1').chat(BODY))).toMatchObject({
      attempts: [{ class: 'connection', code: 'ECONNREFUSED' }],
    });
  });
});

describe('HTTP transport: HTTP/2', () => {
  beforeEach(trustCertificate);

  it('carries concurrent calls over one connection', async () => {
    const waiting: (() => void)[] = [];
    const { port, sockets } = await use(
      http2Server((stream) => {
        const respond = () => {
          stream.respond({ ':status': 200, 'content-type': 'application/json' });
          stream.end(ANSWER);
        };
        if (waiting.length >= 0 && sockets.size > 0 && waiting.push(respond) === 1) respond();
      }),
    );
    const balancer = balancerFor(`https://127.0.0.1:${port}`);
    expect(await textOf(balancer)).toBe('Hello');
    const calls = Array.from({ length: 40 }, () => textOf(balancer));
    await until(() => waiting.length === 41);
    expect(sockets.size).toBe(1);
    for (const respond of waiting.slice(1)) respond();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['Hello']));
  });

  it('opens another connection when the server takes no more streams', async () => {
    const waiting: (() => void)[] = [];
    const { port, sockets } = await use(
      http2Server(
        (stream) => {
          const respond = () => {
            stream.respond({ ':status': 200 });
            stream.end(ANSWER);
          };
          if (waiting.push(respond) === 1) respond();
        },
        { maxConcurrentStreams: 4 },
      ),
    );
    const balancer = balancerFor(`https://127.0.0.1:${port}`);
    await textOf(balancer);
    const calls = Array.from({ length: 12 }, () => textOf(balancer));
    await until(() => waiting.length === 13);
    expect(sockets.size).toBeGreaterThanOrEqual(3);
    for (const respond of waiting.slice(1)) respond();
    await Promise.all(calls);
  });

  it('sends no headers that HTTP/2 does not have', async () => {
    const { port } = await use(
      http2Server((stream) => {
        stream.respond({ ':status': 200 });
        stream.end(ANSWER);
      }),
    );
    // Neither node:http2 nor undici, which opens the connection, sends them.
    const headers = { connection: 'keep-alive', 'keep-alive': 'timeout=5', upgrade: 'h2c' };
    const instance = axios.create({ headers });
    expect(await textOf(balancerFor(`https://127.0.0.1:${port}`, { axios: instance }))).toBe('Hello');
  });

  it("obeys the timeout of the app's axios instance", async () => {
    const { port, sockets } = await use(http2Server(() => undefined));
    const instance = axios.create({ timeout: 60 });
    const balancer = balancerFor(`https://127.0.0.1:${port}`, { axios: instance });
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      attempts: [{ class: 'timeout', code: 'ETIMEDOUT' }],
    });
    expect(sockets.size).toBe(1);
  });

  it.each([
    ['no error', 0],
    ['that it is cancelled', 8],
  ])(
    'classifies a stream that the server closes early, saying %s, as a connection failure',
    async (_what, code) => {
      const { port } = await use(http2Server((stream) => stream.close(code)));
      expect(await rejection(balancerFor(`https://127.0.0.1:${port}`).chat(BODY))).toMatchObject({
        attempts: [{ class: 'connection', code: 'ECONNRESET' }],
      });
    },
  );

  it('serves a call whose endpoint is moved elsewhere while its connection opens, and then closes', async () => {
    const { port, sockets } = await use(
      http2Server((stream) => {
        stream.respond({ ':status': 200 });
        stream.end(ANSWER);
      }),
    );
    const baseURL = `https://127.0.0.1:${port}`;
    const balancer = balancerFor(baseURL);
    const call = textOf(balancer);
    await until(() => sockets.size === 1);
    await balancer.reload({
      endpoints: [{ name: 'a', model: 'm', baseURL: 'https://elsewhere.invalid', apiKey: KEY }],
    });
    expect(await call).toBe('Hello');
    await until(() => sockets.size === 0);
  });

  it('lets streams end when the server announces that the connection takes no new requests', async () => {
    const { port } = await use(
      http2Server((stream) => {
        stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
        stream.write(chunk('One '));
        stream.session?.goaway(0);
        setTimeout(() => stream.end(`${chunk('two', 'stop')}data: [DONE]\n\n`), 30);
      }),
    );
    const balancer = balancerFor(`https://127.0.0.1:${port}`);
    expect(await Promise.all([streamedText(balancer), streamedText(balancer)])).toEqual([
      'One two',
      'One two',
    ]);
    expect(await streamedText(balancer)).toBe('One two');
    expect(statsOf(balancer, 'a').failures).toBe(0);
  });

  it('classifies a stream that the server resets in the same way as over HTTP/1', async () => {
    const { port } = await use(
      http2Server((stream, body) => {
        if (body.includes('"stream":true')) {
          stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
          stream.write(chunk('Half'), () => stream.close(2));
        } else stream.close(2);
      }),
    );
    const balancer = balancerFor(`https://127.0.0.1:${port}`);
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      attempts: [{ class: 'connection', code: 'ECONNRESET' }],
    });
    expect(await rejection(streamedText(balancer))).toMatchObject({
      code: 'ERR_AI_STREAM_BROKEN',
      partialText: 'Half',
      attempts: [{ class: 'bad_answer' }],
    });
  });

  it('closes only the stream of a caller that leaves', async () => {
    let closed = 0;
    const { port, sockets } = await use(
      http2Server((stream) => {
        stream.once('close', () => closed++);
        stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
        stream.write(chunk('Half'));
      }),
    );
    const balancer = balancerFor(`https://127.0.0.1:${port}`);
    const stream = await balancer.chat({ ...BODY, stream: true });
    stream.abort();
    await until(() => closed === 1);
    expect(sockets.size).toBe(1);
  });

  it('is preferred if the server offers HTTP/1 too', async () => {
    const versions: string[] = [];
    const server = http2Server(
      (stream) => {
        versions.push('2');
        stream.respond({ ':status': 200 });
        stream.end(ANSWER);
      },
      { allowHTTP1: true },
    );
    const { port } = await use(server);
    await textOf(balancerFor(`https://127.0.0.1:${port}`));
    expect(versions).toEqual(['2']);
  });
});

describe('HTTP transport: proxy', () => {
  const auth = { username: 'user', password: 'p@ss:word' };
  const basic = `Basic ${Buffer.from('user:p@ss:word').toString('base64')}`;

  it('tunnels to an https: endpoint, and sees neither key nor prompt', async () => {
    trustCertificate();
    const requests: ProxyRequest[] = [];
    const upstream = await use(httpsServer((_req, res) => res.end(ANSWER)));
    const proxy = await use(proxyServer(requests));
    const http = { proxy: { host: '127.0.0.1', port: proxy.port, auth } };
    const balancer = balancerFor(`https://127.0.0.1:${upstream.port}`, http);
    expect(await Promise.all([textOf(balancer), textOf(balancer)])).toEqual(['Hello', 'Hello']);
    expect(await textOf(balancer)).toBe('Hello');
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(
      Array(2).fill(`CONNECT 127.0.0.1:${upstream.port}`),
    );
    expect(requests[0]?.headers['proxy-authorization']).toBe(basic);
    expect(proxy.seen().length).toBeGreaterThan(100);
    for (const secret of [KEY, PROMPT]) expect(proxy.seen()).not.toContain(secret);
  });

  it('tunnels to an HTTP/2 endpoint', async () => {
    trustCertificate();
    const requests: ProxyRequest[] = [];
    const upstream = await use(
      http2Server((stream) => {
        stream.respond({ ':status': 200 });
        stream.end(ANSWER);
      }),
    );
    const proxy = await use(proxyServer(requests));
    const balancer = balancerFor(`https://127.0.0.1:${upstream.port}`, {
      proxy: { host: '127.0.0.1', port: proxy.port },
    });
    for (let n = 0; n < 3; n++) expect(await textOf(balancer)).toBe('Hello');
    expect(requests).toHaveLength(1);
  });

  it('forwards the requests to an http: endpoint', async () => {
    const requests: ProxyRequest[] = [];
    const hosts: unknown[] = [];
    const upstream = await use(
      httpServer((req, res) => {
        hosts.push(req.headers.host);
        res.end(ANSWER);
      }),
    );
    const proxy = await use(proxyServer(requests));
    const balancer = balancerFor(`http://localhost:${upstream.port}/v1`, {
      proxy: { protocol: 'http', host: '127.0.0.1', port: proxy.port, auth },
    });
    expect(await textOf(balancer)).toBe('Hello');
    expect(requests).toMatchObject([
      {
        method: 'POST',
        url: `http://localhost:${upstream.port}/v1/chat/completions`,
        headers: { 'proxy-authorization': basic },
      },
    ]);
    expect(hosts).toEqual([`localhost:${upstream.port}`]);
  });

  it('that refuses the tunnel causes a connection failure that says so', async () => {
    const proxy = await use(proxyServer([], 407));
    const balancer = balancerFor('https://127.0.0.1:9', { proxy: { host: '127.0.0.1', port: proxy.port } });
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      attempts: [
        { class: 'connection', code: 'EPROXY', message: 'the proxy refused the connection with status 407' },
      ],
    });
  });

  it.each([
    ['https://api.test/v1', 'api.test:443'],
    ['https://[::1]/v1', '[::1]:443'],
    ['https://[::1]:8443/v1', '[::1]:8443'],
  ])('is asked to tunnel %s to %s', async (baseURL, address) => {
    const requests: ProxyRequest[] = [];
    const proxy = await use(proxyServer(requests, 403));
    await rejection(balancerFor(baseURL, { proxy: { host: '127.0.0.1', port: proxy.port } }).chat(BODY));
    expect(requests.map(({ url }) => url)).toEqual([address]);
  });

  it('that does not answer causes a timeout after connectMs', async () => {
    const mute = await use(listen(createServer((socket) => socket.on('data', () => undefined))));
    const balancer = balancerFor(
      'https://127.0.0.1:9',
      { proxy: { host: '127.0.0.1', port: mute.port } },
      { timeouts: { connectMs: 80 } },
    );
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      attempts: [{ class: 'timeout', code: 'ERR_SOCKET_CONNECTION_TIMEOUT' }],
    });
    await until(() => mute.sockets.size === 0);
  });

  it('that closes the tunnel at once causes a connection failure, without reconnecting', async () => {
    let tunnels = 0;
    const closing = await use(
      listen(createServer((socket) => socket.once('data', () => (tunnels++, socket.end())))),
    );
    const balancer = balancerFor('https://127.0.0.1:9', { proxy: { host: '127.0.0.1', port: closing.port } });
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      attempts: [{ class: 'connection', code: 'ECONNRESET' }],
    });
    expect(tunnels).toBe(1);
  });

  describe("from the environment, with proxy: 'env'", () => {
    const NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'];
    const before = Object.fromEntries(NAMES.map((name) => [name, process.env[name]]));
    const requests: ProxyRequest[] = [];
    let upstream: Listening;
    let proxy: Listening;

    beforeEach(async () => {
      for (const name of NAMES) Reflect.deleteProperty(process.env, name);
      requests.length = 0;
      upstream = await use(httpServer((_req, res) => res.end(ANSWER)));
      proxy = await use(proxyServer(requests));
    });

    afterEach(() => {
      for (const name of NAMES) {
        if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = before[name];
      }
    });

    it.each<[string, Record<string, string>, boolean]>([
      ['HTTP_PROXY', { HTTP_PROXY: 'http://user:p%40ss@127.0.0.1:PORT' }, true],
      [
        'http_proxy without a scheme, before HTTP_PROXY',
        { http_proxy: '127.0.0.1:PORT', HTTP_PROXY: 'http://127.0.0.1:1' },
        true,
      ],
      ['HTTPS_PROXY, which an http: endpoint does not use', { HTTPS_PROXY: 'http://127.0.0.1:1' }, false],
      [
        'NO_PROXY with the host',
        { HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: 'example.com, localhost' },
        false,
      ],
      ['NO_PROXY with a domain', { HTTP_PROXY: 'http://127.0.0.1:PORT', NO_PROXY: '.host' }, true],
      [
        'NO_PROXY with the host and another port',
        { HTTP_PROXY: 'http://127.0.0.1:PORT', NO_PROXY: 'localhost:1' },
        true,
      ],
      ['NO_PROXY of everything', { HTTP_PROXY: 'http://127.0.0.1:1', no_proxy: '*' }, false],
    ])('obeys %s', async (_what, variables, isProxied) => {
      for (const [name, value] of Object.entries(variables)) {
        process.env[name] = value.replace('PORT', String(proxy.port));
      }
      expect(await textOf(balancerFor(`http://localhost:${upstream.port}`, { proxy: 'env' }))).toBe('Hello');
      expect(requests).toHaveLength(isProxied ? 1 : 0);
    });

    it("is used by the app's axios instance with axios's own adapter", async () => {
      process.env['HTTP_PROXY'] = `http://127.0.0.1:${proxy.port}`;
      const instance = axios.create({ adapter: 'http' });
      const balancer = balancerFor(`http://localhost:${upstream.port}`, { axios: instance, proxy: 'env' });
      expect(await textOf(balancer)).toBe('Hello');
      expect(requests).toHaveLength(1);
    });

    it('is ignored without this setting', async () => {
      process.env['HTTP_PROXY'] = 'http://127.0.0.1:1';
      expect(await textOf(balancerFor(`http://localhost:${upstream.port}`))).toBe('Hello');
    });

    it('is refused if it is not an HTTP URL', () => {
      process.env['HTTPS_PROXY'] = 'socks5://127.0.0.1:1080';
      expect(() => balancerFor('https://127.0.0.1:9', { proxy: 'env' })).toThrow(
        /http\.proxy: expected 'env' with http/,
      );
    });
  });
});

describe('HTTP transport: compressed answers', () => {
  it.each<[string, string, (text: string) => Buffer]>([
    ['gzip', 'gzip', gzipSync],
    ['x-gzip', 'X-GZIP', gzipSync],
    ['deflate', 'deflate', deflateSync],
    ['deflate without the header of zlib', 'deflate', deflateRawSync],
    ['br', 'br', brotliCompressSync],
    ['none', 'identity', (text) => Buffer.from(text)],
  ])('are read with the encoding %s', async (_what, encoding, compress) => {
    const { port, sockets } = await use(
      httpServer((req, res) => {
        expect(req.headers['accept-encoding']).toBe('gzip, deflate, br');
        res.setHeader('content-encoding', encoding);
        // In parts, the first of which is a byte.
        const bytes = compress(ANSWER);
        res.write(bytes.subarray(0, 1));
        setTimeout(() => res.end(bytes.subarray(1)), 5);
      }),
    );
    const balancer = balancerFor(`http://127.0.0.1:${port}`);
    for (let n = 0; n < 2; n++) expect(await textOf(balancer)).toBe('Hello');
    expect(sockets.size).toBe(1);
  });

  it('that expand beyond maxResponseBytes are refused', async () => {
    const { port, sockets } = await use(
      httpServer((_req, res) => {
        res.setHeader('content-encoding', 'gzip');
        res.end(gzipSync('x'.repeat(20_000_000)));
      }),
    );
    const balancer = balancerFor(`http://127.0.0.1:${port}`, { maxResponseBytes: 100_000 });
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      attempts: [{ class: 'bad_answer', message: 'maxContentLength size of 100000 exceeded' }],
    });
    await until(() => sockets.size === 0);
  });

  it('that cannot be decompressed are classified as bad_answer', async () => {
    const { port } = await use(
      httpServer((_req, res) => {
        res.setHeader('content-encoding', 'gzip');
        res.end(ANSWER);
      }),
    );
    expect(await rejection(balancerFor(`http://127.0.0.1:${port}`).chat(BODY))).toMatchObject({
      attempts: [{ class: 'bad_answer', code: 'Z_DATA_ERROR' }],
    });
  });

  it('that are streamed are read even if the server compresses them unasked', async () => {
    const { port } = await use(
      httpServer((req, res) => {
        expect(req.headers['accept-encoding']).toBe('identity');
        res.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
        res.end(gzipSync(`${chunk('One ')}${chunk('two', 'stop')}data: [DONE]\n\n`));
      }),
    );
    expect(await streamedText(balancerFor(`http://127.0.0.1:${port}`))).toBe('One two');
  });
});

describe('HTTP transport: a redirect', () => {
  it('is not followed, because it would send the key elsewhere', async () => {
    let followed = 0;
    const { port } = await use(
      httpServer((req, res) => {
        if (req.url === '/elsewhere') followed++;
        res.writeHead(307, { location: '/elsewhere' }).end();
      }),
    );
    expect(await rejection(balancerFor(`http://127.0.0.1:${port}`).chat(BODY))).toMatchObject({
      attempts: [{ status: 307 }],
    });
    expect(followed).toBe(0);
  });
});

describe("HTTP transport: the app's own axios instance", () => {
  it('has its interceptors called with a readable stream, and its headers are sent', async () => {
    const seen: unknown[] = [];
    const { port } = await use(
      httpServer((req, res) => {
        seen.push(req.headers['x-added'], req.headers['x-default'], req.url);
        res.end(ANSWER);
      }),
    );
    const instance = axios.create({ headers: { 'x-default': 'yes' }, timeout: 30_000 });
    instance.interceptors.request.use((config) => {
      config.headers.set('x-added', 'by the interceptor');
      config.params = { trace: 1 };
      return config;
    });
    instance.interceptors.response.use((response) => {
      seen.push(response.status, typeof (response.data as { pipe?: unknown }).pipe, response.config.url);
      return response;
    });
    const baseURL = `http://127.0.0.1:${port}`;
    const balancer = balancerFor(baseURL, { axios: instance });
    expect(await textOf(balancer)).toBe('Hello');
    expect(seen).toEqual([
      'by the interceptor',
      'yes',
      '/chat/completions?trace=1',
      200,
      'function',
      `${baseURL}/chat/completions`,
    ]);
    expect(await streamedTextOf(instance)).toBe('One two');
  });

  it.each<[string, (config: InternalAxiosRequestConfig) => void]>([
    ['converts the body to bytes', (config) => void (config.data = Buffer.from(config.data as string))],
    ['allows redirects', (config) => void (config.maxRedirects = 1)],
    ['removes the timeout', (config) => void Reflect.deleteProperty(config, 'timeout')],
    ['sets a signal of its own', (config) => void (config.signal = new AbortController().signal)],
  ])('has its request sent when an interceptor %s', async (_what, change) => {
    const bodies: unknown[] = [];
    const { port } = await use(
      httpServer((_req, res, body) => {
        bodies.push(JSON.parse(body));
        res.end(ANSWER);
      }),
    );
    const instance = axios.create();
    instance.interceptors.request.use((config) => {
      change(config);
      return config;
    });
    expect(await textOf(balancerFor(`http://127.0.0.1:${port}`, { axios: instance }))).toBe('Hello');
    expect(bodies).toMatchObject([{ messages: BODY.messages }]);
  });

  it.each<[string, (text: string) => Buffer]>([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ])('reads answers compressed with %s, unless decompress is false', async (encoding, compress) => {
    const { port } = await use(
      httpServer((_req, res) => {
        res.setHeader('content-encoding', encoding);
        res.end(compress(ANSWER));
      }),
    );
    const baseURL = `http://127.0.0.1:${port}`;
    expect(await textOf(balancerFor(baseURL, { axios: axios.create() }))).toBe('Hello');
    const instance = axios.create({ decompress: false });
    expect(await rejection(balancerFor(baseURL, { axios: instance }).chat(BODY))).toMatchObject({
      attempts: [{ class: 'bad_answer' }],
    });
  });

  it("is not needed for axios's global defaults, which are used if the app has set an adapter there", async () => {
    const { adapter } = axios.defaults;
    axios.defaults.adapter = (config) =>
      Promise.resolve({ status: 200, statusText: '', headers: {}, data: Buffer.from(ANSWER), config });
    try {
      expect(await textOf(balancerFor('http://127.0.0.1:1'))).toBe('Hello');
    } finally {
      axios.defaults.adapter = adapter;
    }
  });

  it.each([undefined, axios.create()])(
    'sends nothing for a caller that has left already (%#)',
    async (instance) => {
      let requests = 0;
      const { port } = await use(httpServer((_req, res) => (requests++, res.end(ANSWER))));
      const transport = new Transport(
        {
          baseURL: `http://127.0.0.1:${port}`,
          connectMs: 1_000,
          maxResponseBytes: 1_000,
          proxy: false,
          axios: instance,
        },
        new ConnectionPools(),
      );
      const request = { path: '/x', headers: {}, body: '{}' };
      await expect(transport.send(request, false, AbortSignal.abort())).rejects.toMatchObject({
        code: 'ERR_CANCELED',
      });
      transport.close();
      expect(requests).toBe(0);
    },
  );

  async function streamedTextOf(
    instance: typeof axios.create extends (...args: never[]) => infer I ? I : never,
  ) {
    const { port } = await use(
      httpServer((_req, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        res.write(chunk('One '));
        setTimeout(() => res.end(`${chunk('two', 'stop')}data: [DONE]\n\n`), 5);
      }),
    );
    return streamedText(balancerFor(`http://127.0.0.1:${port}`, { axios: instance }));
  }

  it('gets axios errors in its interceptors', async () => {
    const errors: AxiosError[] = [];
    const instance = axios.create();
    instance.interceptors.response.use(undefined, (error: AxiosError) => {
      errors.push(error);
      return Promise.reject(error);
    });
    await rejection(balancerFor('http://127.0.0.1:1', { axios: instance }).chat(BODY));
    expect(errors).toMatchObject([{ isAxiosError: true, code: 'ECONNREFUSED', config: { method: 'post' } }]);
  });

  it('has its adapter used, even one that is set later', async () => {
    const instance = axios.create();
    const balancer = balancerFor('http://127.0.0.1:1', { axios: instance });
    const configs: Parameters<AxiosAdapter>[0][] = [];
    instance.defaults.adapter = (config) => {
      configs.push(config);
      return Promise.resolve({ status: 200, statusText: '', headers: {}, data: ANSWER, config });
    };
    expect(await textOf(balancer)).toBe('Hello');
    expect(configs[0]?.signal).toBeInstanceOf(AbortSignal);
    expect(configs[0]?.signal?.aborted).toBe(false);
  });

  it("can use axios's adapter for node:http", async () => {
    const agents: unknown[] = [];
    const { port } = await use(
      httpServer((req, res) => {
        agents.push(req.headers['user-agent']);
        res.end(ANSWER);
      }),
    );
    for (const instance of [axios.create(), axios.create({ adapter: 'http' })]) {
      expect(await textOf(balancerFor(`http://127.0.0.1:${port}`, { axios: instance }))).toBe('Hello');
    }
    expect(agents).toEqual(Array(2).fill(`axios/${axios.VERSION}`));
  });

  it('has its socket closed when the caller leaves', async () => {
    const { port, sockets } = await use(httpServer(() => undefined));
    const balancer = balancerFor(`http://127.0.0.1:${port}`, { axios: axios.create() });
    const caller = new AbortController();
    const call = balancer.chat(BODY, { signal: caller.signal });
    await until(() => sockets.size === 1);
    caller.abort();
    expect(await rejection(call)).toMatchObject({ code: 'ERR_AI_ABORTED' });
    await until(() => sockets.size === 0);
  });
});

describe('HTTP transport: a caller that leaves', () => {
  it('closes the connection, and no other is opened for its request', async () => {
    let connections = 0;
    const { port, sockets } = await use(
      httpServer((_req, res) => {
        connections++;
        res.writeHead(200, { 'content-type': 'text/event-stream' }).write(chunk('Half'));
      }),
    );
    const balancer = balancerFor(`http://127.0.0.1:${port}`);
    const stream = await balancer.chat({ ...BODY, stream: true });
    stream.abort();
    await until(() => sockets.size === 0);
    await pause(50);
    expect([connections, sockets.size]).toEqual([1, 0]);
  });

  it('while its connection opens gets ERR_AI_ABORTED, and the connection is closed', async () => {
    // Never answers the TLS handshake.
    const { port, sockets } = await use(listen(createServer((socket) => socket.resume())));
    const balancer = balancerFor(`https://127.0.0.1:${port}`);
    const caller = new AbortController();
    const call = balancer.chat(BODY, { signal: caller.signal });
    await until(() => sockets.size === 1);
    caller.abort();
    expect(await rejection(call)).toMatchObject({ code: 'ERR_AI_ABORTED' });
    await until(() => sockets.size === 0);
  });
});
