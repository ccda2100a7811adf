import type { Logger } from './options';

/** Wraps the app's logger, so that a logger that throws does not fail the call that logs. */
export function safeLogger(logger: Logger): Logger {
  const safely =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        logger[level](fields, message);
      } catch {
        // There is no other place to report it.
      }
    };
  return { debug: safely('debug'), info: safely('info'), warn: safely('warn'), error: safely('error') };
}
