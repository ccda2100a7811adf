import type { ResolvedConfig } from '../config/options';
import type { Endpoint } from '../endpoint/endpoint';
import { type DescribedFailure, describeFailure } from '../endpoint/unavailable-reason';
import { type ProxySetting, proxyFor } from '../http/connection/proxy';
import { CATALOGUE } from '../models/catalogue';
import type { AttemptReport } from '../route-report';
import { didYouMean } from '../util/did-you-mean';

/**
 * Failure classes that indicate a wrong configuration rather than an outage if the endpoint has never served a call.
 */
const MISCONFIGURED: ReadonlySet<DescribedFailure['class']> = new Set<DescribedFailure['class']>([
  'connection',
  'timeout',
  'bad_answer',
  'not_served',
]);

/** Matches the 400 response of a web server that received a plain HTTP request on its TLS port. */
const PLAIN_HTTP = /plain http request was sent to https/i;

const USE_HTTPS = 'it expects TLS: write https:// rather than http:// in its baseURL';

/**
 * The probable mistake in the configuration, by a pattern for the error code of the socket or TLS. The first matching
 * pattern counts.
 */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^ECONNREFUSED$/, 'nothing accepts connections there: is the server running, and is the port right?'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'the host name does not resolve: check its spelling and the DNS'],
  [/^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/, 'its certificate is not valid now: renew it, or set the clock'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'its certificate is for another host: use the host name that it names'],
  [
    /^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_)/,
    'its certificate is not trusted: start Node.js with NODE_EXTRA_CA_CERTS=<file of the certificate authority>',
  ],
  [/^(EPROTO|ERR_SSL_)/, 'it does not speak TLS as expected: is it http:// rather than https://?'],
  [/^(EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/, 'the host is not reachable: check firewall and network'],
];

/**
 * Returns the warning for a failure at an endpoint that has never served a call; undefined if the endpoint has served a
 * call or the failure does not indicate a wrong configuration.
 */
export function neverServedWarning(
  endpoint: Endpoint,
  failure: AttemptReport,
  proxy: ProxySetting,
): string | undefined {
  if (endpoint.unavailable.hasServed) return undefined;
  const isPlainHttp = PLAIN_HTTP.test(failure.message ?? '');
  if (!isPlainHttp && !MISCONFIGURED.has(failure.class)) return undefined;
  const { baseURL, timeouts } = endpoint.settings;
  // No warning if the attempt ended before the connect timeout: then the call's deadline was shorter, which says
  // nothing about the endpoint.
  if (failure.class === 'timeout' && failure.ms < timeouts.connectMs) return undefined;
  const url = URL.canParse(baseURL) ? new URL(baseURL) : undefined;
  // Only the origin, because the rest of a URL may contain credentials.
  const at = url?.origin ?? 'its baseURL';
  const used = url && proxyFor(url, proxy);
  const through = used ? `, through the proxy ${used.origin.replace(/^https?:\/\//, '')},` : '';
  const what = failure.status === undefined ? 'has never answered' : 'has not served any call yet';
  const hint = isPlainHttp ? USE_HTTPS : hintFor(failure, url);
  const also = used ? '; check http.proxy too' : '';
  return `endpoint '${endpoint.name}' at ${at}${through} ${what}: ${describeFailure(failure)}; ${hint}${also}`;
}

function hintFor({ class: failure, code = '', status = 0 }: DescribedFailure, url: URL | undefined): string {
  const known = HINTS.find(([pattern]) => pattern.test(code));
  if (known) return known[1];
  if (status >= 300 && status < 400)
    return 'it redirects, and a redirect is not followed because it would carry the key away: write the address it redirects to in its baseURL';
  const version = url?.pathname === '/' ? 'it has no path: is /v1 missing?' : 'is its path right?';
  if (failure === 'bad_answer') return `that is no answer of an API: check its baseURL (${version})`;
  if (failure === 'not_served') return `check its baseURL (${version}) and its model`;
  if (failure === 'timeout')
    return 'check its baseURL, the network, and http.proxy if this machine needs a proxy (the proxy variables of the environment are read only with http.proxy "env"); a slow model needs longer timeouts';
  const scheme = url?.protocol === 'http:' ? ' (is it https:// rather than http://?)' : '';
  return `check its baseURL${scheme}, and http.proxy if this machine needs a proxy (the proxy variables of the environment are read only with http.proxy "env")`;
}

/** Returns the warning for a cooldown whose cause somebody must fix. */
export function cooldownWarning(endpoint: Endpoint, failure: DescribedFailure): string {
  const reason = endpoint.unavailable.reason(performance.now()) ?? describeFailure(failure);
  if (failure.class === 'not_served') {
    const hint = 'check its baseURL (is /v1 missing?), its model and its permissions';
    return `endpoint '${endpoint.name}' serves none of its calls, ten in a row: ${hint}; ${reason}`;
  }
  const hasNoKey = failure.class === 'unauthorized' && endpoint.settings.apiKey === undefined;
  const hint = hasNoKey ? '; it has no apiKey: is the environment variable set?' : '';
  return `endpoint '${endpoint.name}' takes no calls: ${reason}${hint}`;
}

export interface ConfigurationWarning {
  readonly fields: object;
  readonly message: string;
}

/** Returns warnings of what is probably not wanted in a valid configuration. */
export function configurationWarnings(config: ResolvedConfig): ConfigurationWarning[] {
  const { unknownModels, undefinedKeys } = config;
  const budgets = budgetsInMemoryWarning(config);
  return [
    ...unknownModels.map((model) => ({ fields: { model }, message: unknownModelWarning(model, config) })),
    ...undefinedKeys.map((endpoint) => ({ fields: { endpoint }, message: undefinedKeyWarning(endpoint) })),
    ...(budgets === undefined ? [] : [{ fields: {}, message: budgets }]),
  ];
}

function undefinedKeyWarning(endpoint: string): string {
  return `the apiKey of endpoint '${endpoint}' is undefined: is the environment variable set? Its calls are sent without a key; if it needs none, leave apiKey out`;
}

function unknownModelWarning(model: string, { endpoints }: ResolvedConfig): string {
  // Suggests only names with the same digits, because different digits mean another version or size rather than a
  // misspelling.
  const alike = [...CATALOGUE.keys()].filter((name) => digitsOf(name) === digitsOf(model));
  const near = didYouMean(model, alike);
  const hint = near === undefined ? '' : ` (did you mean '${near}'?)`;
  const hasPrice = endpoints.every((endpoint) => endpoint.model !== model || endpoint.price !== undefined);
  const price = hasPrice
    ? ''
    : "it has no price, so budgets don't count its calls, and calls with maxCostPer1k don't use it; ";
  return `model '${model}' is not in the catalogue${hint}: ${price}neutral values for latency and quality are used; describe it in models`;
}

/**
 * Returns the warning for budgets per day or month that are kept in this process alone; undefined if there are none.
 */
function budgetsInMemoryWarning(config: ResolvedConfig): string | undefined {
  const { budgets, endpoints, groupBudgets, cluster } = config;
  if (cluster || budgets.store) return undefined;
  const limits = [
    budgets.limits,
    budgets.perTenant?.limits,
    ...endpoints.map(({ spendLimits }) => spendLimits),
    ...groupBudgets.values(),
  ];
  const isLong = limits.some((each) => each?.usdPerDay !== undefined || each?.usdPerMonth !== undefined);
  return isLong
    ? 'budgets are kept in this process: a restart begins them at 0 again; cluster: { redis } or budgets.store keeps them'
    : undefined;
}

function digitsOf(name: string): string {
  return name.replace(/\D/g, '');
}

/**
 * Returns the warning for an unreachable Redis.
 *
 * @param reason The message of the connection's error, without credentials.
 */
export function redisWarning(mode: string, reason = 'unknown reason'): string {
  const hint = reason.includes('npm install') ? '' : '; check that it runs and that cluster.redis names it';
  return `Redis is unavailable: quotas are enforced as onOutage says (${mode}): ${reason}${hint}`;
}
