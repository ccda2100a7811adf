// The main module of the child process that fleet-process.ts forks: runs one fleet and executes its parent's commands.
import { type Fleet, startFleet } from '../fleet';
import type { Command, Ports, Reply } from './messages';

let fleet: Fleet | undefined;

async function execute(command: Command): Promise<unknown> {
  if (command.type === 'start') {
    fleet = await startFleet(command.description);
    return [...fleet.providers.values()].map(({ name, port }) => ({ name, port })) satisfies Ports;
  }
  if (!fleet) throw new Error('The fleet has not been started');
  const provider = fleet.provider(command.provider);
  switch (command.type) {
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

// Ctrl-C reaches the whole process group, but the parent decides when its providers end.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
