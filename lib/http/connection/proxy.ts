import type { AxiosProxyConfig } from 'axios';

/** An HTTP proxy through which requests are sent. */
export interface Proxy {
  readonly origin: string;
  /** The value of Proxy-Authorization. */
  readonly authorization: string | undefined;
}

/** `http.proxy` of the configuration: a proxy, 'env' for the one that the environment names, or false for none. */
export type ProxySetting = AxiosProxyConfig | 'env' | false;

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for a URL. The environment is read here, once for each endpoint, not for each call. */
export function proxyFor(url: URL, setting: ProxySetting, env: Environment = process.env): Proxy | undefined {
  if (setting === false) return undefined;
  if (setting === 'env') {
    const address = proxyOfEnvironment(url, env);
    return address === undefined ? undefined : proxyAt(address);
  }
  const { protocol = 'http', host, port, auth } = setting;
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return {
    origin: `${protocol.replace(/:$/, '')}://${name}:${port}`,
    authorization: auth && basic(auth.username, auth.password),
  };
}

/** The values of the environment's proxy variables, unparsed. */
export function proxiesOfEnvironment(env: Environment = process.env): string[] {
  return ['http_proxy', 'https_proxy'].flatMap((name) => readVariable(env, name) ?? []);
}

/** Whether the value of a proxy variable can be used: a host, with or without http:// or https:// before it. */
export function isProxyAddress(text: string): boolean {
  try {
    return /^https?:$/.test(parse(text).protocol);
  } catch {
    return false;
  }
}

function proxyOfEnvironment(url: URL, env: Environment): string | undefined {
  const address = readVariable(env, url.protocol === 'https:' ? 'https_proxy' : 'http_proxy');
  return address === undefined || isExcluded(url, readVariable(env, 'no_proxy') ?? '') ? undefined : address;
}

/** Reads an environment variable. As in curl, the name in lower case comes first. */
function readVariable(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || env[name.toUpperCase()]?.trim() || undefined;
}

/**
 * Whether NO_PROXY excludes a URL. It lists hosts and domains, with or without a leading dot or `*.`, each with an
 * optional port; `*` stands for every host.
 */
function isExcluded({ hostname, port, protocol }: URL, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const hostPort = port || (protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === '*') return true;
    const [, name = '', entryPort] = /^\[?(.+?)\]?(?::(\d+))?$/.exec(entry) ?? [];
    const isAddress = entry.split(':').length > 2 && !entry.startsWith('[');
    const domain = (isAddress ? entry : name).toLowerCase().replace(/^\*?\./, '');
    if (domain === '' || (!isAddress && entryPort !== undefined && entryPort !== hostPort)) return false;
    return host === domain || host.endsWith(`.${domain}`);
  });
}

function proxyAt(address: string): Proxy {
  const { origin, username, password } = parse(address);
  return {
    origin,
    authorization:
      username === '' ? undefined : basic(decodeURIComponent(username), decodeURIComponent(password)),
  };
}

function parse(address: string): URL {
  return new URL(address.includes('://') ? address : `http://${address}`);
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
