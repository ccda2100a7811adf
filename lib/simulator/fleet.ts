import { type ProviderOptions, type SimulatedProvider, startProvider } from './server/provider';

/** Several providers, as it may stand in a JSON file. Names must differ. */
export interface FleetDescription {
  providers: ({ name: string } & ProviderOptions)[];
}

export interface Fleet {
  readonly providers: ReadonlyMap<string, SimulatedProvider>;
  /** Throws a RangeError for a name that isn't there. */
  provider(name: string): SimulatedProvider;
  close(): Promise<void>;
}

/** Starts every provider of the description, each on a port of its own. If one can't start, none is left running. */
export async function startFleet(description: FleetDescription): Promise<Fleet> {
  const names = description.providers.map(({ name }) => name);
  const duplicate = names.find((name, at) => names.indexOf(name) !== at);
  if (duplicate !== undefined) throw new TypeError(`providers: two are named "${duplicate}"`);

  const started = await Promise.allSettled(description.providers.map(startProvider));
  const running = started.filter((result) => result.status === 'fulfilled').map(({ value }) => value);
  const close = async () => {
    await Promise.all(running.map((provider) => provider.close()));
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    await close();
    throw failed.reason;
  }
  const providers = new Map(running.map((provider) => [provider.name, provider]));
  return { providers, provider: (name) => getByName(providers, name), close };
}

export function getByName<T>(items: ReadonlyMap<string, T>, name: string): T {
  const item = items.get(name);
  if (item !== undefined) return item;
  throw new RangeError(`No provider named "${name}"; there are ${[...items.keys()].join(', ')}`);
}
