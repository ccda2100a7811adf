/** An Express app with one client, alone in its process, which measures its own CPU time and memory. */
import type { AddressInfo } from 'node:net';
import express from 'express';
import { CLIENTS } from './clients';

async function main([name = '', origin = '']: string[]): Promise<void> {
  const client = await CLIENTS[name]?.(origin);
  if (!client) throw new TypeError(`no client is named '${name}'`);
  const app = express();
  if (client.gateway) app.use('/v1', client.gateway);
  else {
    app.post('/v1/chat/completions', express.json(), (req, res) =>
      (req.body as { stream?: boolean }).stream === true ? client.streamed(req, res) : client.whole(req, res),
    );
  }
  const server = app.listen(0, '127.0.0.1', () => {
    process.send?.({ port: (server.address() as AddressInfo).port });
  });
}

process.on('message', (message) => {
  if (message === 'exit') process.exit();
  if (message === 'collect') globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage().rss });
});
void main(process.argv.slice(2));
