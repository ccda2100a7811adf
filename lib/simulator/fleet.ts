import { type ProviderOptions, type SimulatedProvider, startProvider } from './server/provider';

/** Several providers. Can be written as JSON, unless a provider has a `reply` function. */
export interface FleetDescription {
  /** The options of each provider. Names must be unique. */
  providers: ({
    /** Name of the provider, unique within the fleet. */
    name: string;
  } & ProviderOptions)[];
}

/** Running providers. */
export interface Fleet {
  /** The providers by name. */
  readonly providers: ReadonlyMap<string, SimulatedProvider>;
  /** The provider with that name. Throws a RangeError if there is none. */
  provider(name: string): SimulatedProvider;
  /** Closes every provider. */
  close(): Promise<void>;
}

/**
 * Starts several providers, each on its own port. Rejects if one cannot start; the others are closed then. Throws a
 * TypeError if two have the same name.
 */
export async function startFleet(description: FleetDescription): Promise<Fleet> {
  const names = description.providers.map(({ name }) => name);
  const duplicate = names.find((name, at) => names.indexOf(name) !== at);
  if (duplicate !== undefined) throw new TypeError(`providers: the name "${duplicate}" is used twice`);

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
  throw new RangeError(`No provider is named "${name}"; known providers: ${[...items.keys()].join(', ')}`);
}
