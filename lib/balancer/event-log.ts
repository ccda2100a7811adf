import type { Logger } from '../config/options';
import { isThenable } from '../util/app-function';
import { BoundedMap } from '../util/bounded-map';

/** Minimum interval between two warnings with the same key, in milliseconds. */
const WARNING_INTERVAL_MS = 60_000;
/** Maximum number of keys whose latest warning is remembered. */
const MAX_WARNINGS = 10_000;

type Level = keyof Logger;

type LogFunction = (this: Logger, fields: object, message: string) => unknown;

/** A logger such as pino or winston, which can say whether it would write a line of a level. */
interface LeveledLogger extends Logger {
  isLevelEnabled?(level: string): unknown;
}

/**
 * Writes log lines to the app's logger; without one, warnings and errors to console.warn. A logger that throws or rejects
 * affects neither calls nor the process; its failure is passed to `onFailure`.
 */
export class EventLog {
  readonly #logger: () => Logger | false | undefined;
  readonly #onFailure: () => void;
  readonly #warnedAt = new BoundedMap<string, number>(MAX_WARNINGS);

  /** @param logger Called for every line, because a reload may replace the logger. */
  constructor(logger: () => Logger | false | undefined, onFailure: () => void) {
    this.#logger = logger;
    this.#onFailure = onFailure;
  }

  /** Whether a line of this level would be written. Check it before building an expensive line. */
  writes(level: Level): boolean {
    const logger: LeveledLogger | false | undefined = this.#logger();
    if (logger === false) return false;
    if (logger === undefined) return level === 'warn' || level === 'error';
    try {
      return typeof logger.isLevelEnabled !== 'function' || logger.isLevelEnabled(level) !== false;
    } catch {
      return true;
    }
  }

  write(level: Level, fields: object, message: string): void {
    try {
      const logger = this.#logger();
      if (logger === false) return;
      if (logger === undefined) {
        // eslint-disable-next-line no-console -- the documented default: an app without a logger sees what it must fix
        if (level === 'warn' || level === 'error') console.warn(`express-ai-balancer: ${message}`);
        return;
      }
      // If the app's logger is asynchronous and rejects, that counts as its failure and does not become an
      // unhandledRejection.
      const { [level]: log }: Record<Level, LogFunction> = logger;
      const result = log.call(logger, fields, message);
      if (isThenable(result)) Promise.resolve(result).catch(this.#onFailure);
    } catch {
      this.#onFailure();
    }
  }

  /** Warns at most once per minute and key. */
  warn(key: string, fields: object, message: string): void {
    const now = performance.now();
    const last = this.#warnedAt.get(key);
    if (last !== undefined && now - last < WARNING_INTERVAL_MS) return;
    this.#warnedAt.set(key, now);
    this.write('warn', fields, message);
  }
}
