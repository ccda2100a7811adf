import { writeCache } from './cache';
import { writeAttempts } from './call-chains';
import type { Migration } from './migration';
import { apiKeyOf, baseUrlOf, NO_DIALECT, providerHere } from './providers';
import { Section } from './section';
import type { DraftEndpoint, Value } from './value';

interface Place {
  readonly tier: number;
  readonly weight: number | undefined;
  /** The timeout of the enclosing target, which applies unless a target has its own. */
  readonly timeoutMs: number | undefined;
}

const CONDITIONS = 'calls choose: give endpoints tags, and calls the option tags (docs/routing.md)';
const HOOKS = 'guardrails are hooks (docs/hooks.md)';
const REASONS: Readonly<Record<string, string>> = {
  before_request_hooks: HOOKS,
  after_request_hooks: HOOKS,
  input_guardrails: HOOKS,
  output_guardrails: HOOKS,
  default_input_guardrails: HOOKS,
  default_output_guardrails: HOOKS,
  forward_headers: 'headers of a request are not passed on: set headers of the endpoint',
  metadata: 'docs/observability.md says what is logged of a call',
  strict_open_ai_compliance: 'answers always have the form of OpenAI',
};

/** Converts a config of Portkey's gateway. */
export function readPortkey(value: unknown, migration: Migration): void {
  const root = new Section(snakeCase(value), '', migration);
  readTarget(root, { tier: 0, weight: undefined, timeoutMs: undefined }, 0, migration);
  const { endpoints, options } = migration;
  const isWeighted = endpoints.some(({ settings }) => settings.weight !== undefined);
  options.strategy = isWeighted ? 'weighted' : undefined;
  options.fallbacks = fallbacksOf(endpoints, migration);
  writeAttempts(migration);
}

/** Reads a target, or a strategy over further targets. Returns the highest tier in it. */
function readTarget(section: Section, place: Place, depth: number, migration: Migration): number {
  if (depth > 32) throw migration.fault(section.path, 'targets at most 32 deep', 'more');
  readOptions(section, migration);
  const timeoutMs = section.plainNumber('request_timeout') ?? place.timeoutMs;
  const inner = { ...place, timeoutMs };
  const targets = section.sections('targets');
  if (targets.length === 0) {
    if (readEndpoint(section, inner, migration)) section.leaveOutRest(REASONS);
    return place.tier;
  }
  const strategy = section.section('strategy');
  const mode = strategy?.text('mode') ?? 'single';
  readStatusCodes(strategy, migration);
  let last = place.tier;
  for (const target of mode === 'single' ? targets.slice(0, 1) : targets) {
    const tier = mode === 'fallback' && target !== targets[0] ? last + 1 : place.tier;
    const own = target.plainNumber('weight');
    const weight = mode === 'loadbalance' ? (place.weight ?? 1) * (own ?? 1) : place.weight;
    last = Math.max(last, readTarget(target, { ...inner, tier, weight }, depth + 1, migration));
  }
  if (mode === 'conditional') {
    for (const name of ['conditions', 'default']) strategy?.leaveOut(name, CONDITIONS);
  }
  strategy?.leaveOutRest();
  section.leaveOutRest(REASONS);
  return last;
}

function readStatusCodes(section: Section | undefined, migration: Migration): void {
  if (!section?.has('on_status_codes')) return;
  section.raw('on_status_codes');
  migration.changed(
    section.at('on_status_codes'),
    'what goes to another endpoint depends on the class of failure (docs/failure-classes.md): 429, 5xx, timeouts, bad keys; never a bad request',
  );
}

/** Reads the options of a target, at any depth of the tree, that in this package apply to the whole balancer. */
function readOptions(section: Section, migration: Migration): void {
  const retry = section.section('retry');
  const attempts = retry?.plainNumber('attempts');
  if (retry && attempts !== undefined) {
    migration.addRetries(retry.at('attempts'), attempts);
  }
  readStatusCodes(retry, migration);
  retry?.raw('use_retry_after_header');
  retry?.leaveOutRest();
  const cache = section.section('cache');
  const mode = cache?.text('mode');
  const maxAge = cache?.plainNumber('max_age');
  if (cache && mode === 'simple') {
    writeCache(cache.path, { ttlMs: maxAge === undefined ? undefined : maxAge * 1000 }, migration);
    migration.changed(cache.path, 'one cache for all endpoints; equal calls of one tenant (docs/cache.md)');
  } else if (cache) migration.leftOut(cache.path, 'only equal calls are cached (docs/cache.md)');
  cache?.leaveOutRest();
}

/** Adds an endpoint for a target. Returns false if the target is left out. */
function readEndpoint(section: Section, { tier, weight, timeoutMs }: Place, migration: Migration): boolean {
  const { provider, vault } = providerOf(section);
  const here = provider === undefined ? undefined : providerHere(provider, section.has('custom_host'));
  const path = section.path === '' ? 'the target' : section.path;
  if (provider === undefined || !here) {
    migration.endpointLeftOut(
      path,
      provider === undefined ? 'names no provider that is known here' : `'${provider}': ${NO_DIALECT}`,
    );
    return false;
  }
  const override = section.section('override_params');
  const resource = section.text('resource_name');
  const named = section.text('deployment_id');
  const isAzure = here.provider === 'azure';
  const model = override?.text('model') ?? section.text('azure_model_name') ?? (isAzure ? named : undefined);
  if (model === undefined && migration.models.length === 0) {
    migration.endpointLeftOut(
      path,
      'names no model: add override_params.model, or --model NAME for each model that calls ask for',
    );
    return false;
  }
  override?.leaveOutRest({}, 'set it in the body of a call, or in hooks.before (docs/hooks.md)');
  const key = section.text('api_key');
  const keyInVault =
    key === undefined
      ? migration.keyOf(vault === undefined ? provider : (section.text(vault) ?? ''), here.keyVariable)
      : undefined;
  if (keyInVault && vault !== undefined)
    migration.checkFirst(section.at(vault), `its key is in Portkey's vault: set ${keyInVault.name}`);
  const apiKey = keyInVault ?? apiKeyOf(section, here);
  const name = section.text('name');
  for (const each of model === undefined ? migration.models : [model]) {
    migration.endpoints.push({
      path,
      name: migration.endpointName(name ?? `${provider.replace(/^@/, '')}-${each}`, true),
      model: each,
      aliases: new Set(),
      tier,
      settings: {
        provider: here.provider,
        baseURL:
          isAzure && resource !== undefined
            ? `https://${resource}.openai.azure.com`
            : baseUrlOf(section, 'custom_host', here, (known) => known === 'ollama'),
        deployment: isAzure && named !== each ? named : undefined, // terms-ok: Azure's word
        apiVersion: isAzure ? section.text('api_version') : undefined,
        apiKey,
        weight,
        timeouts: timeoutMs === undefined ? undefined : { totalMs: timeoutMs, firstTokenMs: timeoutMs },
      },
    });
  }
  return true;
}

/** Returns the provider of a target, and the slug of its key if that is in Portkey's vault. */
function providerOf(section: Section): { provider: string | undefined; vault?: string } {
  const provider = section.text('provider');
  const virtual = section.text('virtual_key');
  if (provider !== undefined && !provider.startsWith('@'))
    return { provider, ...(virtual ? { vault: 'virtual_key' } : {}) };
  const slug = (provider ?? virtual ?? '').replace(/^@/, '');
  const known = slug
    .split(/[-_/.]/)
    .flatMap((part, index, parts) => [parts.slice(index, index + 2).join('-'), part])
    .find((part) => providerHere(part, false) !== undefined);
  return { provider: known, vault: provider === undefined ? 'virtual_key' : 'provider' };
}

/**
 * Returns fallback lists: models of later tiers are fallbacks of those before. Lowers the tiers so that those of each
 * model begin at 0, because a tier only applies among endpoints of the same model.
 */
function fallbacksOf(endpoints: readonly DraftEndpoint[], migration: Migration): Value {
  const first = new Map<string, number>();
  for (const { model, tier } of endpoints) first.set(model, Math.min(first.get(model) ?? Infinity, tier));
  for (const [model, tier] of first)
    for (const endpoint of endpoints.filter((each) => each.model === model)) endpoint.tier -= tier;
  const later = (tier: number): string[] =>
    [...first]
      .filter(([, other]) => other > tier)
      .sort(([, a], [, b]) => a - b)
      .map(([model]) => model);
  const start = [...first].filter(([, tier]) => tier === Math.min(...first.values())).map(([model]) => model);
  if (start.length > 1)
    migration.checkFirst(
      'targets',
      `the targets have different models: calls name one of ${start.join(', ')}, or 'auto' for any of them`,
    );
  return Object.fromEntries(
    [...first].map(([model, tier]) => [model, later(tier)] as const).filter(([, list]) => list.length > 0),
  );
}

/** Converts the names of fields to those of JSON configs, because the library's camelCase is accepted too. */
function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCase(each),
    ]),
  );
}
