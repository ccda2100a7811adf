import { parseArgs } from 'node:util';
import type { BalancerConfig, ContextHeader, RateLimitGuardOptions } from '../../index';
import { loadConfig } from '../config-file';
import { UsageError } from '../usage-error';
import { checkFile } from './check-file';

/** A client that may use the gateway. */
export interface ClientToken {
  readonly token: string;
  readonly tenant?: string;
  readonly priority?: 1 | 2 | 3 | 4 | 5;
}

/** The option `serve` of the configuration file. */
export interface ServeOptions {
  readonly port?: number | string;
  readonly host?: string;
  /** Tokens of the clients that may use the gateway; false admits everyone who can reach it. */
  readonly tokens: readonly ClientToken[] | false;
  /** The token for the dashboard and the metrics. Without it they are served only to this machine. */
  readonly adminToken?: string;
  /** Limits per tenant. */
  readonly guard?: RateLimitGuardOptions;
  readonly allowHeaders?: boolean | readonly ContextHeader[];
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
  const { serve, ...config } = checkFile(loaded, flags.config) as BalancerConfig & { serve: ServeOptions };
  return {
    config,
    serve,
    port: whole('--port', flags.port ?? process.env.PORT, Number(serve.port ?? 3_000), 0, 65_535),
    host: flags.host ?? serve.host ?? '127.0.0.1',
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
