import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { inspect } from 'node:util';
import axios from 'axios';
import { classifyError } from '../../lib/failure/classify-error';
import { ruleFor } from '../../lib/failure/detail';

function thrown(code: string, message = code, name = 'Error'): Error {
  const error = new Error(message);
  error.name = name;
  return Object.assign(error, { code });
}

describe('classifyError by code and message', () => {
  it.each([
    ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:9', 'connection'],
    ['ECONNRESET', 'socket hang up', 'connection'],
    ['ECONNRESET', 'read ECONNRESET', 'connection'],
    ['ECONNRESET', 'aborted', 'bad_answer'],
    ['EPIPE', 'write EPIPE', 'connection'],
    ['ENOTFOUND', 'getaddrinfo ENOTFOUND api.example.com', 'connection'],
    ['EAI_AGAIN', 'getaddrinfo EAI_AGAIN api.example.com', 'connection'],
    ['EHOSTUNREACH', 'connect EHOSTUNREACH', 'connection'],
    ['EPROTO', 'wrong version number', 'connection'],
    ['CERT_HAS_EXPIRED', 'certificate has expired', 'connection'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate', 'connection'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate', 'connection'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', "Hostname/IP does not match certificate's altnames", 'connection'],
    ['ERR_NETWORK', 'Network Error', 'connection'],
    ['UND_ERR_SOCKET', 'other side closed', 'connection'],
    ['ETIMEDOUT', 'connect ETIMEDOUT 10.0.0.1:443', 'timeout'],
    ['ECONNABORTED', 'timeout of 300ms exceeded', 'timeout'],
    ['ECONNABORTED', 'write ECONNABORTED', 'connection'],
    ['UND_ERR_HEADERS_TIMEOUT', 'Headers Timeout Error', 'timeout'],
    ['ERR_BAD_RESPONSE', 'stream has been aborted', 'bad_answer'],
    ['ERR_BAD_RESPONSE', 'maxContentLength size of 100 exceeded', 'bad_answer'],
    ['ERR_STREAM_PREMATURE_CLOSE', 'Premature close', 'bad_answer'],
    ['HPE_INVALID_CONSTANT', 'Parse Error: Expected HTTP/', 'bad_answer'],
    ['Z_DATA_ERROR', 'incorrect header check', 'bad_answer'],
    ['ERR_FR_MAX_BODY_LENGTH_EXCEEDED', 'Request body larger than maxBodyLength limit', 'bad_request'],
    ['ERR_INVALID_CHAR', 'Invalid character in header content', 'bad_request'],
    ['ERR_CANCELED', 'canceled', 'aborted'],
    ['UND_ERR_ABORTED', 'Request aborted', 'aborted'],
    ['E_SOMETHING_NEW', 'no idea', 'connection'],
  ])('%s (%s) is %s', (code, message, expected) => {
    expect(classifyError(thrown(code, message))).toMatchObject({ class: expected });
  });

  it.each([
    ['an abort', new DOMException('This operation was aborted', 'AbortError'), 'aborted'],
    [
      'a timeout of AbortSignal.timeout',
      new DOMException('The operation was aborted due to timeout', 'TimeoutError'),
      'timeout',
    ],
    [
      'an abort caused by a timeout',
      Object.assign(thrown('ABORT_ERR', 'aborted', 'AbortError'), {
        cause: new DOMException('x', 'TimeoutError'),
      }),
      'timeout',
    ],
    [
      'a failed fetch() by its cause',
      Object.assign(new TypeError('fetch failed'), { cause: thrown('ECONNREFUSED') }),
      'connection',
    ],
    [
      'a fault of our own code with this request',
      new TypeError('Do not know how to serialize a BigInt'),
      'bad_request',
    ],
    ['a body that does not parse', new SyntaxError('Unexpected end of JSON input'), 'bad_answer'],
    ['an error for each of all addresses', new AggregateError([thrown('ECONNREFUSED')], ''), 'connection'],
    ['a thrown string', 'socket hang up', 'connection'],
    ['undefined', undefined, 'connection'],
    ['an unknown error that says it timed out', new Error('Request timed out'), 'timeout'],
    ['an unknown error that says the body broke off', new Error('terminated'), 'bad_answer'],
  ])('classifies %s', (_what, error, expected) => {
    expect(classifyError(error).class).toBe(expected);
  });

  it.each<[string, object, object]>([
    [
      'text',
      { status: 429, headers: { 'retry-after': '3' }, data: '{"error":{"message":"slow down"}}' },
      { class: 'rate_limited', message: 'slow down', retryAfterMs: 3000 },
    ],
    [
      'parsed JSON',
      { status: 401, headers: {}, data: { error: { message: 'no such key', code: 'invalid_api_key' } } },
      { class: 'unauthorized', message: 'no such key' },
    ],
    [
      'a parsed list',
      { status: 500, data: [{ error: { message: 'down' } }] },
      { class: 'server', message: 'down' },
    ],
    ['a buffer', { status: 503, data: Buffer.from('secret') }, { class: 'server', message: 'HTTP 503' }],
    ['null', { status: 500, data: null }, { class: 'server', message: 'HTTP 500' }],
    ['a success', { status: 200, data: '{}' }, { class: 'connection', message: 'odd' }],
  ])('classifies the attached response, whose data is %s', (_what, response, expected) => {
    expect(classifyError(Object.assign(new Error('odd'), { response }))).toMatchObject(expected);
  });

  it.each<[string, object, true | undefined]>([
    ['has carried a response before', { socket: { bytesRead: 10 } }, true],
    ['has carried none', { socket: { bytesRead: 0 } }, undefined],
    ['has carried one, as its cause says', { cause: { socket: { bytesRead: 10 } } }, true],
    ['is reused', { request: { reusedSocket: true } }, true],
    ['is reused after a redirect', { request: { _currentRequest: { reusedSocket: true } } }, true],
  ])('marks a reset connection that %s: %j', (_what, fields, staleSocket) => {
    const error = Object.assign(thrown('ECONNRESET', 'socket hang up'), fields);
    expect(classifyError(error).staleSocket).toBe(staleSocket);
  });

  it('does not count an answer that exceeds maxResponseBytes against the endpoint', () => {
    const detail = classifyError(thrown('ERR_BAD_RESPONSE', 'maxContentLength size of 100 exceeded'));
    expect(ruleFor(detail)).toMatchObject({
      countsAgainstEndpoint: false,
      cooldownScope: 'none',
      otherEndpoint: 'budgeted',
    });
  });

  it('handles circular causes and getters that throw', () => {
    const circle: Error & { cause?: unknown } = new Error('round');
    circle.cause = circle;
    expect(classifyError(circle).class).toBe('connection');
    const trap = Object.defineProperty({}, 'code', {
      get() {
        throw new Error('trap');
      },
    });
    expect(classifyError(trap)).toEqual({ class: 'connection', message: 'Unreadable error' });
  });
});

describe('classifyError with axios over real sockets', () => {
  let server: http.Server;
  let respond: http.RequestListener;
  let base: string;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  beforeAll(async () => {
    server = http.createServer((req, res) => respond(req, res));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    agent.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function failure(options: object = {}, at = base): Promise<unknown> {
    const error: unknown = await axios
      .post(
        `${at}/v1/chat/completions`,
        { messages: [{ role: 'user', content: 'my secret prompt' }] },
        {
          headers: { authorization: 'Bearer sk-very-secret-key' },
          proxy: false,
          maxRedirects: 0,
          httpAgent: agent,
          ...options,
        },
      )
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect(error).toBeInstanceOf(Error);
    return error;
  }

  it.each<[string, http.RequestListener, object, string]>([
    ['a reset before the headers', (req) => req.socket.destroy(), {}, 'connection'],
    ['a server that never responds', () => undefined, { timeout: 50 }, 'timeout'],
    [
      'a truncated body',
      (_req, res) => {
        res.writeHead(200, { 'content-length': '1000' });
        res.write('{"choices":[');
        setTimeout(() => res.destroy(), 20);
      },
      {},
      'bad_answer',
    ],
    [
      'an answer larger than maxContentLength',
      (_req, res) => res.end('x'.repeat(5000)),
      { maxContentLength: 100 },
      'bad_answer',
    ],
    ['a peer that does not speak HTTP', (req) => req.socket.end('SSH-2.0-OpenSSH_9.2\r\n'), {}, 'bad_answer'],
    [
      'an error response',
      (_req, res) => res.writeHead(429, { 'retry-after': '3' }).end('{"error":{"message":"slow down"}}'),
      {},
      'rate_limited',
    ],
    ['an abort by the caller', () => undefined, { signal: AbortSignal.abort() }, 'aborted'],
  ])('classifies %s and keeps no secret', async (_what, listener, options, expected) => {
    respond = listener;
    const detail = classifyError(await failure(options));
    expect(detail.class).toBe(expected);
    if (expected === 'rate_limited') expect(detail.retryAfterMs).toBe(3000);
    const seen = JSON.stringify(detail) + inspect(detail, { depth: 20, showHidden: true });
    expect(seen).not.toMatch(/secret/);
    expect(Object.values(detail).every((value) => typeof value !== 'object')).toBe(true);
  });

  it('classifies a port without a listener as a connection failure', async () => {
    expect(classifyError(await failure({}, 'http://127.0.0.1:1')).class).toBe('connection');
  });

  it('marks a reset on a reused keep-alive socket as stale, but not one on a new socket', async () => {
    const sockets: Socket[] = [];
    respond = (req, res) => {
      sockets.push(req.socket);
      if (sockets.length === 1) res.end('{}');
      else req.socket.destroy();
    };
    const fresh = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await axios.get(base, { httpAgent: fresh, proxy: false, maxRedirects: 0 });
    const detail = classifyError(await failure({ httpAgent: fresh }));
    expect(sockets[1]).toBe(sockets[0]);
    expect(detail).toMatchObject({ class: 'connection', staleSocket: true });
    expect(classifyError(await failure({ httpAgent: fresh })).staleSocket).toBeUndefined();
    fresh.destroy();
  });
});
