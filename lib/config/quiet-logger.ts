import type { Logger } from './options';

/** The app's logger for use on the way of a call: one that throws must not fail what it was told about. */
export function quietLogger(logger: Logger): Logger {
  const quietly =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        logger[level](fields, message);
      } catch {
        // There is nobody left to tell.
      }
    };
  return { debug: quietly('debug'), info: quietly('info'), warn: quietly('warn'), error: quietly('error') };
}
