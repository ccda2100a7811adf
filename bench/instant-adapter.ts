import type { AxiosAdapter } from 'axios';
import { ConnectionPool } from '../lib/http/connection/connection-pool';
import type { Carrier } from '../lib/http/connection/wire-response';

const ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-4o',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 20, completion_tokens: 2, total_tokens: 22 },
});

export const BODY = {
  model: 'gpt-4o',
  messages: [{ role: 'user' as const, content: 'Where is my parcel? It should have come on Tuesday.' }],
};

/** An upstream that answers immediately, so that the remaining time of a call is the balancer's own. */
export function instantAdapter(headers: Readonly<Record<string, string>> = {}): AxiosAdapter {
  const all = { 'content-type': 'application/json', ...headers };
  return (config) =>
    Promise.resolve({ status: 200, statusText: '', headers: { ...all }, data: ANSWER, config });
}

const CARRIER: Carrier = {
  isReused: false,
  abort: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
};

/** Makes every connection pool of the process answer immediately: without an axios instance of the app's. */
export function answerFromPools(headers: Readonly<Record<string, string>> = {}): void {
  const body = Buffer.from(ANSWER);
  const all = { 'content-type': 'application/json', ...headers };
  ConnectionPool.prototype.send = (_request, response) => {
    response.onSent(CARRIER);
    queueMicrotask(() => {
      response.onHeaders(200, { ...all }, 'OK');
      response.onData(body);
      response.onEnd();
    });
  };
}
