import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';

/** An express for programs of the documents, whose app listens on a free port. */
export function freePortExpress() {
  const servers: Server[] = [];
  const framework = () => {
    const app = express();
    const listen = () => {
      const server = createServer(app).listen(0, '127.0.0.1');
      servers.push(server);
      return server;
    };
    return Object.assign(app, { listen });
  };
  const listening = async () => {
    const [server] = servers;
    if (!server) throw new Error('the program did not call listen()');
    if (!server.listening) await once(server, 'listening');
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  };
  return { express: Object.assign(framework, { json: express.json }), listening };
}
