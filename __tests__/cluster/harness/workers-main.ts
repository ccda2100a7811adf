// Entry point of a primary of node:cluster: forks members and relays messages. Started by workers.ts only.
import cluster, { type Worker } from 'node:cluster';
import { join } from 'node:path';
import type { Report } from './messages';
import type { FromPrimary, ToPrimary } from './workers';

const workers = new Map<number, Worker>();

function sendToParent(message: FromPrimary): void {
  if (process.connected) process.send?.(message);
}

cluster.setupPrimary({ exec: join(__dirname, 'member-main.ts'), execArgv: process.execArgv });

for (let worker = 0; worker < Number(process.env.WORKERS); worker++) {
  const forked = cluster.fork({ CLOCK_SHIFT_MS: '0' });
  workers.set(worker, forked);
  forked.on('message', (report: Report) => {
    sendToParent('hello' in report ? { worker, pid: forked.process.pid ?? 0 } : { worker, report });
  });
  forked.on('exit', () => sendToParent({ worker, ended: true }));
}

process.on('message', ({ worker, message }: ToPrimary) => {
  workers.get(worker)?.send(message as object, () => undefined);
});
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
