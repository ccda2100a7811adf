import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterPendingIO, startTimer } from '../util/timers';

/** Idle sockets kept per endpoint. */
const MAX_FREE_SOCKETS = 256;

type Created = Duplex | null | undefined;
type CreateConnection = (
  options: object,
  callback?: (error: Error | null, stream: Duplex) => void,
) => Created;

/** The HTTP agents of one endpoint: keep-alive, no queue of their own, and a connect timeout. */
export interface Agents {
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
}

export function createAgents(connectMs: number): Agents {
  // The quota limits concurrency: a limit here would queue calls invisibly.
  const options: AgentOptions = {
    keepAlive: true,
    maxSockets: Infinity,
    maxFreeSockets: MAX_FREE_SOCKETS,
    scheduling: 'lifo',
  };
  const agents = { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options) };
  limitConnect(agents.httpAgent, 'connect', connectMs);
  limitConnect(agents.httpsAgent, 'secureConnect', connectMs);
  return agents;
}

function limitConnect(agent: HttpAgent, ready: 'connect' | 'secureConnect', connectMs: number): void {
  const patched = agent as unknown as { createConnection: CreateConnection };
  const create = patched.createConnection.bind(agent);
  patched.createConnection = (options, callback) => {
    const socket = create(options, callback) as Socket | undefined;
    if (socket) enforceConnectTimeout(socket, ready, connectMs);
    return socket;
  };
}

function enforceConnectTimeout(socket: Socket, ready: string, connectMs: number): void {
  const check = (): void => {
    // If the timer fired late, the connection may be established already: poll I/O once first.
    afterPendingIO(() => {
      if (!isSettled) socket.destroy(connectTimeout(connectMs));
    });
  };
  let isSettled = false;
  const timer = startTimer(check, connectMs);
  const settle = (): void => {
    isSettled = true;
    clearTimeout(timer);
    socket.removeListener(ready, settle);
    socket.removeListener('close', settle);
  };
  socket.once(ready, settle);
  socket.once('close', settle);
}

/** Node's own code for a connect timeout: classified as 'timeout', with nothing sent. */
export const CONNECT_TIMEOUT = 'ERR_SOCKET_CONNECTION_TIMEOUT';

function connectTimeout(ms: number): Error {
  return Object.assign(new Error(`no connection within ${ms.toLocaleString('en')} ms`), {
    code: CONNECT_TIMEOUT,
  });
}
