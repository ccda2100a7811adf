import type { Endpoint } from '../endpoint/endpoint';
import { type DescribedFailure, describeFailure } from '../endpoint/unavailable-reason';
import type { AttemptReport } from '../route-report';

/** Failures of an endpoint that has never answered which point to a wrong configuration rather than to an outage. */
const UNREACHABLE: ReadonlySet<DescribedFailure['class']> = new Set<DescribedFailure['class']>([
  'connection',
  'timeout',
  'bad_answer',
]);

/** What is likely wrong, by the error code of the socket or TLS. The first pattern that matches counts. */
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

/** The log line of a failure at an endpoint that has never answered; undefined if the failure is of another kind. */
export function neverAnsweredWarning(endpoint: Endpoint, failure: AttemptReport): string | undefined {
  if (endpoint.unavailable.hasServed || !UNREACHABLE.has(failure.class)) return undefined;
  // A code means that an answer had begun.
  if (failure.class === 'bad_answer' && failure.code !== undefined) return undefined;
  const { baseURL, timeouts } = endpoint.settings;
  // A caller's own short deadline says nothing about the endpoint.
  if (failure.class === 'timeout' && failure.ms < timeouts.connectMs) return undefined;
  // The origin alone: the rest of a URL may hold credentials.
  const at = URL.canParse(baseURL) ? new URL(baseURL).origin : 'its baseURL';
  return `endpoint '${endpoint.name}' at ${at} has never answered: ${describeFailure(failure)}; ${hintFor(failure)}`;
}

function hintFor({ class: failure, code = '' }: DescribedFailure): string {
  const known = HINTS.find(([pattern]) => pattern.test(code));
  if (known) return known[1];
  if (failure === 'bad_answer') return 'is its baseURL that of the API (is /v1 missing?), and no web page?';
  return 'check its baseURL, and http.proxy if this machine needs a proxy (the proxy variables of the environment are not read)';
}

/** The log line of a cooldown that does not end by itself. */
export function cooldownWarning(endpoint: Endpoint, failure: DescribedFailure): string {
  const reason = endpoint.unavailable.reason(performance.now()) ?? describeFailure(failure);
  if (failure.class !== 'not_served') return `endpoint '${endpoint.name}' takes no calls: ${reason}`;
  const hint = 'check its baseURL (is /v1 missing?), its model and its permissions';
  return `endpoint '${endpoint.name}' serves none of its calls, ten in a row: ${hint}; ${reason}`;
}
