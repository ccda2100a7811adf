import axios from 'axios';
import { headersOf, pathOf } from '../../lib/http/axios-adapter';
import { proxyFor } from '../../lib/http/connection/proxy';
import { toSocketError } from '../../lib/http/connection/wire-errors';
import { decompressed } from '../../lib/http/decompress';
import { oneChunk, ResponseBody } from '../../lib/http/response-body';
import { SentHeaders } from '../../lib/http/sent-headers';

describe('The headers of an axios config', () => {
  const added = headersOf({});

  it('are sent with names in lower case, lists joined and other values as text', () => {
    expect(headersOf({ 'X-List': ['a', 'b'], 'X-Number': 7, 'X-True': true, 'X-Text': 'c' })).toEqual({
      ...added,
      'x-list': 'a, b',
      'x-number': '7',
      'x-true': 'true',
      'x-text': 'c',
    });
  });

  it('are left out if they are missing values or describe the body', () => {
    expect(headersOf({ a: undefined, b: null, 'Content-Length': 5, 'Transfer-Encoding': 'chunked' })).toEqual(
      added,
    );
  });

  it('are left out if they are false, with their default value', () => {
    expect(added['user-agent']).toBe(`axios/${axios.VERSION}`);
    expect(headersOf({ 'User-Agent': false })).not.toHaveProperty('user-agent');
  });
});

it('SentHeaders follows every change of the headers that a dialect returns', () => {
  const sent = new SentHeaders({ accept: '*/*' }, { 'accept-encoding': 'identity' });
  const always = { accept: '*/*', 'accept-encoding': 'identity' };
  expect(sent.of({ 'X-A': '1' })).toEqual({ ...always, 'x-a': '1' });
  expect(sent.of({ 'X-A': '1', 'X-B': '2' })).toEqual({ ...always, 'x-a': '1', 'x-b': '2' });
  expect(sent.of({ 'X-A': '1', 'X-B': '3' })).toEqual({ ...always, 'x-a': '1', 'x-b': '3' });
  expect(sent.of({ 'X-A': undefined, 'Content-Length': '2', 'Accept-Encoding': 'br' })).toEqual(always);
});

it.each<[object, string]>([
  [{ url: 'https://api.test/v1/chat?x=1' }, '/v1/chat?x=1'],
  [{ url: 'https://api.test/v1/chat', params: { trace: 1 } }, '/v1/chat?trace=1'],
  [{ url: 'chat', baseURL: 'https://api.test/v1' }, '/v1/chat'],
  [{ baseURL: 'https://api.test/v1' }, '/v1'],
])('the path of the axios config %j is %s', (config, path) => {
  expect(pathOf(config)).toBe(path);
});

describe('proxyFor', () => {
  it.each([
    ['10.0.0.1', 'http://10.0.0.1:3128'],
    ['::1', 'http://[::1]:3128'],
    ['[::1]', 'http://[::1]:3128'],
  ])('puts the configured host %s into the origin %s', (host, origin) => {
    expect(proxyFor(new URL('https://api.test'), { host, port: 3128 })?.origin).toBe(origin);
  });

  it.each<[string, string, boolean]>([
    ['https://api.test', 'api.test:443', false],
    ['https://api.test', 'api.test:80', true],
    ['http://api.test', 'api.test:80', false],
    ['http://api.test:8080', 'api.test:8080', false],
    ['http://[::1]', '::1', false],
    ['http://[::1]', '[::1]:80', false],
    ['http://[::1]', '[::1]:81', true],
    ['http://[::1]', '::2', true],
    ['https://eu.api.test', '*.api.test', false],
    ['https://eu.api.test', ', ,', true],
  ])('%s with NO_PROXY=%s goes through the proxy: %p', (url, no_proxy, isProxied) => {
    const env = { http_proxy: 'http://proxy.test:1', https_proxy: 'http://proxy.test:1', no_proxy };
    expect(proxyFor(new URL(url), 'env', env)?.origin).toBe(isProxied ? 'http://proxy.test:1' : undefined);
  });

  it('uses https_proxy for https: and http_proxy for http: URLs', () => {
    const env = { http_proxy: 'plain.test:1', https_proxy: 'secure.test:2' };
    expect(proxyFor(new URL('https://api.test'), 'env', env)?.origin).toBe('http://secure.test:2');
    expect(proxyFor(new URL('http://api.test'), 'env', env)?.origin).toBe('http://plain.test:1');
  });
});

describe('toSocketError', () => {
  it.each<[string | undefined, boolean, object]>([
    [undefined, false, { message: 'broken' }],
    ['ENOTFOUND', true, { message: 'broken', code: 'ENOTFOUND' }],
    ['EPIPE', false, { message: 'broken', code: 'EPIPE' }],
    ['UND_ERR_SOCKET', false, { message: 'socket hang up', code: 'ECONNRESET' }],
    ['UND_ERR_SOCKET', true, { message: 'aborted', code: 'ECONNRESET' }],
  ])('reports the code %p, after the headers: %p, as node:http does', (code, hasHeaders, expected) => {
    const error = Object.assign(new Error('broken'), code === undefined ? {} : { code });
    expect(toSocketError(error, hasHeaders)).toMatchObject(expected);
  });
});

it.each(['deflate', 'gzip', 'br'])('an empty body with the encoding %s stays empty', async (encoding) => {
  const body = new ResponseBody(decompressed(oneChunk(''), { 'content-encoding': encoding }), 1000);
  expect(await body.text(1000, new AbortController().signal)).toBe('');
});

describe('ResponseBody', () => {
  it.each<[string, string, boolean]>([
    ['an event stream', 'data: {}\n\n', true],
    ['JSON after white space', ' \n{"a":1}', false],
    ['HTML', '<html>', false],
    ['only white space', ' \n', false],
  ])('tells that %s holds events, and still returns all of it', async (_what, text, holdsEvents) => {
    const body = new ResponseBody(oneChunk(text), 1000);
    expect(await body.holdsEvents()).toBe(holdsEvents);
    expect(await body.text(1000, new AbortController().signal)).toBe(text);
  });

  it('reads past chunks of white space to tell whether it holds events', async () => {
    const chunks = [' ', '\n', 'data: x'].map((text) => Buffer.from(text));
    const body = new ResponseBody(
      (async function* () {
        yield* await Promise.resolve(chunks);
      })(),
      1000,
    );
    expect(await body.holdsEvents()).toBe(true);
    const read: Uint8Array[] = [];
    for await (const chunk of body) read.push(chunk);
    expect(Buffer.concat(read).toString()).toBe(' \ndata: x');
  });

  it('can be left early, even if its source cannot be', async () => {
    const next = () => Promise.resolve({ done: false as const, value: Buffer.from('x') });
    const body = new ResponseBody({ [Symbol.asyncIterator]: () => ({ next }) }, 1000);
    for await (const chunk of body) {
      expect(Buffer.from(chunk).toString()).toBe('x');
      break;
    }
    expect(await body[Symbol.asyncIterator]().return?.()).toEqual({ done: true, value: undefined });
  });

  it('fails once it exceeds its limit', async () => {
    const body = new ResponseBody(oneChunk(Buffer.from('12345')), 4);
    await expect(body.text(100, new AbortController().signal)).rejects.toThrow(
      'maxContentLength size of 4 exceeded',
    );
  });
});
