import { proxiesOfEnvironment } from '../http/connection/proxy';
import { isObject } from '../util/is-object';
import { isConnection } from '../util/redis';

/** Options of an ioredis client that hold credentials. */
const REDIS_CREDENTIALS = ['username', 'password', 'sentinelUsername', 'sentinelPassword'];
/** Minimum length of a header value that counts as a secret. Shorter ones may be ordinary words in a message. */
const MIN_HEADER_CHARS = 8;

/**
 * Returns all secrets of a configuration: keys, header values, and the credentials of proxy and Redis. The
 * configuration may be invalid, so that the error about it can be redacted too.
 */
export function secretsOf(config: unknown): string[] {
  if (!isObject(config)) return [];
  const { endpoints, http, cluster } = config;
  const secrets = Array.isArray(endpoints) ? (endpoints as unknown[]).flatMap(endpointSecrets) : [];
  if (isObject(http)) secrets.push(...proxySecrets(http.proxy));
  secrets.push(...redisSecrets(isObject(cluster) ? cluster.redis : cluster));
  return secrets.filter((secret) => secret !== '');
}

function endpointSecrets(endpoint: unknown): string[] {
  if (!isObject(endpoint)) return [];
  const { apiKey, headers, baseURL } = endpoint;
  const values = isObject(headers) ? Object.values(headers).flatMap(headerSecrets) : [];
  return [...texts(apiKey), ...values, ...urlCredentials(baseURL)];
}

/** Returns a header value, and the part after its scheme: `Bearer abc` contains the secret `abc`. */
function headerSecrets(value: unknown): string[] {
  return texts(value).flatMap((text) => {
    const [, credentials] = /^\S+\s+(\S.*)$/.exec(text) ?? [];
    return [text, credentials ?? ''].filter(({ length }) => length >= MIN_HEADER_CHARS);
  });
}

function proxySecrets(proxy: unknown): string[] {
  if (proxy === 'env') return proxiesOfEnvironment().flatMap(proxySecrets);
  if (!isObject(proxy)) {
    const [name, decodedName, password, decodedPassword] = urlCredentials(proxy);
    return [name, decodedName, password, decodedPassword, basic(decodedName, decodedPassword ?? '')].filter(
      (secret) => secret !== undefined,
    );
  }
  const { username, password } = isObject(proxy.auth) ? proxy.auth : ({} as Record<string, unknown>);
  return [...texts(username), ...texts(password), ...texts(basic(username, password))];
}

/** Returns the credentials as the header `Proxy-Authorization` contains them, after its scheme. */
function basic(username: unknown, password: unknown): string | undefined {
  return typeof username === 'string' && typeof password === 'string'
    ? Buffer.from(`${username}:${password}`).toString('base64')
    : undefined;
}

function redisSecrets(redis: unknown): string[] {
  if (typeof redis === 'string') return urlCredentials(redis);
  const options = isConnection(redis) ? (redis as { options?: unknown }).options : redis;
  return isObject(options) ? REDIS_CREDENTIALS.flatMap((name) => texts(options[name])) : [];
}

/** Returns the user and the password of a URL, both as written and percent-decoded. */
function urlCredentials(url: unknown): string[] {
  if (typeof url !== 'string') return [];
  const [, userInfo] = /^[^/]*\/\/([^/]*)@/.exec(url) ?? [];
  if (userInfo === undefined) return [];
  const colon = userInfo.indexOf(':');
  const parts = colon < 0 ? [userInfo] : [userInfo.slice(0, colon), userInfo.slice(colon + 1)];
  return parts.flatMap((part) => [part, percentDecoded(part)]);
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function texts(value: unknown): string[] {
  return typeof value === 'string' ? [value, value.trim()] : [];
}
