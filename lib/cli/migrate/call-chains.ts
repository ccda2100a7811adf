import { DEFAULTS } from '../../config/defaults';
import { profileOf } from '../../models/catalogue';
import type { Migration } from './migration';
import type { DraftEndpoint } from './value';

/** Largest `retry.maxAttempts` that the configuration allows. */
const MAX_ATTEMPTS = 100;

interface Chain {
  /** The requested model, then its fallbacks. */
  readonly names: readonly string[];
  /** Number of attempts that a call needs to try all of them. */
  readonly attempts: number;
}

/**
 * Writes `retry.maxAttempts`. Other tools count retries per group of endpoints or per target, but this package counts
 * the failed attempts of a whole call, so that a call with fewer attempts than endpoints would not reach all its
 * fallbacks.
 */
export function writeAttempts(migration: Migration): void {
  const { endpoints, options, retries } = migration;
  const lists = (options.fallbacks ?? {}) as Readonly<Record<string, readonly string[]>>;
  const asked = new Set(endpoints.flatMap(({ model, aliases }) => [model, ...aliases]));
  const chains = [...asked].flatMap((name) => {
    const next = lists[name] ?? lists['*'] ?? [];
    return next.length === 0 ? [] : [chainOf([name, ...next], endpoints, retries?.count)];
  });
  const [longest] = chains.sort((a, b) => b.attempts - a.attempts);
  const given = retries ? retries.count + 1 : DEFAULTS.retry.maxAttempts;
  const maxAttempts = Math.max(given, Math.min(longest?.attempts ?? 0, MAX_ATTEMPTS));
  if (!retries && maxAttempts === given) return;
  options.retry = { ...(options.retry as object | undefined), maxAttempts };
  const reason =
    longest && longest.attempts > given
      ? `, and '${longest.names[0] ?? ''}' needs ${String(longest.attempts)} to reach the end of its fallbacks (${longest.names.slice(1).join(', ')})`
      : '';
  migration.checkFirst(
    retries?.path ?? 'fallbacks',
    `retry.maxAttempts: ${String(maxAttempts)} counts the failed attempts of a whole call, fallbacks included${reason}; moves after 401, 402 and 429 do not count`,
  );
}

/**
 * Counts the attempts that a call needs: one for each endpoint of every model but the last, and for the last model the
 * retries of the source plus one, at most one for each endpoint.
 */
function chainOf(
  names: readonly string[],
  endpoints: readonly DraftEndpoint[],
  retries: number | undefined,
): Chain {
  const seen = new Set<DraftEndpoint>();
  const counts = names.map((name) => {
    const members = endpoints.filter(
      (endpoint) => !seen.has(endpoint) && (endpoint.model === name || endpoint.aliases.has(name)),
    );
    for (const member of members) seen.add(member);
    return members.length;
  });
  const last = counts.pop() ?? 0;
  return {
    names,
    attempts: counts.reduce((sum, count) => sum + count, 0) + Math.min(last, (retries ?? last) + 1),
  };
}

/** Adds a note for endpoints without rpm and tpm, which never make a call wait, not even in a simulation. */
export function noteUnlimited(migration: Migration): void {
  const names = migration.endpoints
    .filter(({ settings }) => settings.rpm === undefined && settings.tpm === undefined)
    .map(({ name }) => name);
  if (names.length > 0)
    migration.checkFirst(
      'no limit on',
      `${names.join(', ')}; without rpm and tpm no call waits for quota: set those of your account`,
    );
}

/** Adds a note for endpoints whose price is not known. Ollama's models are left out: they cost nothing. */
export function noteUnpriced(migration: Migration): void {
  const unpriced = migration.endpoints.filter(
    ({ model, settings }) =>
      settings.price === undefined &&
      settings.provider !== 'ollama' &&
      profileOf(model).profile.price === undefined,
  );
  if (unpriced.length === 0) return;
  const azure = unpriced.find(({ settings }) => settings.provider === 'azure');
  const hint =
    azure === undefined
      ? ''
      : `; for Azure set model to the real model, such as 'gpt-4o', and deployment to its name there: '${nameAtAzure(azure)}'`; // terms-ok: Azure's word
  migration.checkFirst(
    'no price on',
    `${unpriced.map(({ name }) => name).join(', ')}; the catalogue does not have the model: budgets don't count its calls, and calls with maxCostPer1k don't use it: set price${hint}`,
  );
}

function nameAtAzure({ model, settings }: DraftEndpoint): string {
  return typeof settings.deployment === 'string' ? settings.deployment : model; // terms-ok: Azure's word
}
