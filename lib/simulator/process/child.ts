// The main module of a child process: serves one fleet and obeys its parent. Started by fleet-process.ts only.
import { type Fleet, startFleet } from '../fleet';
import type { Command, Ports, Reply } from './messages';

let fleet: Fleet | undefined;

async function execute(command: Command): Promise<unknown> {
  if (command.do === 'start') {
    fleet = await startFleet(command.description);
    return [...fleet.providers.values()].map(({ name, port }) => ({ name, port })) satisfies Ports;
  }
  if (!fleet) throw new Error('The fleet has not been started');
  const provider = fleet.provider(command.provider);
  switch (command.do) {
    case 'fault':
      return provider.fault(command.fault).id;
    case 'endFault':
      return provider.endFault(command.faultId);
    case 'clearFaults':
      await provider.clearFaults();
      return undefined;
    case 'stats':
      return provider.stats();
    case 'requests':
      return provider.requests;
  }
}

process.on('message', (command: Command) => {
  execute(command).then(
    (result) => sendReply({ id: command.id, result }),
    (error: unknown) =>
      sendReply({ id: command.id, error: error instanceof Error ? error.message : String(error) }),
  );
});

function sendReply(reply: Reply): void {
  if (process.connected) process.send?.(reply);
}

// Ctrl-C goes to the whole group; the parent decides when its providers end. Without a parent there is nothing to do.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
