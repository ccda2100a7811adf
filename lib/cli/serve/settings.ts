import { parseArgs } from 'node:util';
import type { BalancerConfig, RateLimitGuardOptions } from '../../index';
import { loadConfig } from '../config-file';
import { UsageError } from '../usage-error';

/** A client that may use the gateway. */
export interface ClientToken {
  readonly token: string;
  readonly tenant?: string;
  readonly priority?: 1 | 2 | 3 | 4 | 5;
}

/** The option `serve` of the configuration file. */
export interface ServeOptions {
  readonly port?: number;
  readonly host?: string;
  /** Tokens of the clients that may use the gateway; false admits everyone who can reach it. */
  readonly tokens: readonly ClientToken[] | false;
  /** The token for the dashboard and the metrics. Without it they are served only to this machine. */
  readonly adminToken?: string;
  /** Limits per tenant. */
  readonly guard?: RateLimitGuardOptions;
  readonly allowHeaders?: boolean;
  readonly graceMs?: number;
}

export interface ServeSettings {
  readonly config: BalancerConfig;
  readonly serve: ServeOptions;
  readonly port: number;
  readonly host: string;
  readonly workers: number;
}

/** Reads the settings from flags, configuration file and environment. @throws UsageError */
export async function readSettings(args: readonly string[]): Promise<ServeSettings | 'help'> {
  const flags = readFlags(args);
  if (flags.help) return 'help';
  if (flags.config === undefined) throw new UsageError('--config FILE is missing (see --help)');
  const loaded = await loadConfig(flags.config);
  const { serve, ...config } = expand(loaded, flags.config) as BalancerConfig & { serve?: ServeOptions };
  const checked = checkServe(serve, flags.config);
  return {
    config,
    serve: checked,
    port: whole('--port', flags.port ?? process.env.PORT, checked.port ?? 3_000, 0, 65_535),
    host: flags.host ?? checked.host ?? '127.0.0.1',
    workers: whole('--workers', flags.workers, 1, 1, 256),
  };
}

function readFlags(args: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    return parseArgs({
      args: [...args],
      options: {
        config: { ...text, short: 'c' },
        port: text,
        host: text,
        workers: text,
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(
  name: string,
  given: string | undefined,
  standard: number,
  least: number,
  most: number,
): number {
  if (given === undefined) return standard;
  const value = Number(given);
  if (given.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(`${name}: expected a whole number from ${least} to ${most}, got '${given}'`);
}

/** Replaces `${NAME}` in all strings of plain objects and arrays. @throws UsageError that names the missing variable */
function expand(value: unknown, file: string): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{([A-Za-z_]\w*)\}/g, (_, name: string) => {
      const found = process.env[name];
      if (found === undefined || found === '')
        throw new UsageError(`${file}: the environment variable ${name} is not set`);
      return found;
    });
  }
  if (Array.isArray(value)) return value.map((each) => expand(each, file));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, expand(each, file)]));
}

const FIELDS = ['port', 'host', 'tokens', 'adminToken', 'guard', 'allowHeaders', 'graceMs'];

function checkServe(given: unknown, file: string): ServeOptions {
  const serve = given as (Partial<ServeOptions> & Record<string, unknown>) | undefined;
  const unknown = Object.keys(serve ?? {}).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`${file}: serve.${unknown}: unknown option, expected one of ${FIELDS.join(', ')}`);
  const { tokens } = serve ?? {};
  if (tokens !== false && !(Array.isArray(tokens) && tokens.length > 0)) {
    throw new UsageError(
      `${file}: serve.tokens: expected an array of { token, tenant?, priority? }, or false for a gateway that is open to everyone`,
    );
  }
  const invalid = tokens === false ? -1 : tokens.findIndex((entry: unknown) => !isToken(entry));
  if (invalid >= 0) {
    throw new UsageError(
      `${file}: serve.tokens[${invalid}].token: expected a text that is not empty: is the environment variable set?`,
    );
  }
  return serve as ServeOptions;
}

function isToken(entry: unknown): entry is ClientToken {
  const { token } = (entry ?? {}) as Partial<ClientToken>;
  return typeof token === 'string' && token !== '';
}
