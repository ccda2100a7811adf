import type { Request } from 'express';
import { checkOptions } from '../balancer/check-options';
import { schemaFaults } from '../config/config-errors';
import { count, options, validator } from '../config/validators';

/**
 * The result of `authorize`. `'view'` allows read access; `'control'` and `true` also allow disabling, enabling and
 * setting weights of endpoints. `false`, undefined, null and any other value refuse the request with 403.
 */
export type DashboardAccess = boolean | 'view' | 'control' | null | undefined;

/** A script and a style sheet of the app that the page loads as well. */
export interface DashboardExtension {
  /**
   * Path of a module script on the same origin, such as `/shop.mjs`. For it, the page contains an empty
   * `<section id="extension">`, and dispatches `ai-dashboard` events on the document with the state in their `detail`.
   */
  script: string;
  /** Path of a style sheet on the same origin. Default: none. */
  style?: string | undefined;
}

/** Options of `aiDashboard()`. */
export interface AiDashboardOptions {
  /**
   * Decides who may use the page; called for every request, and again every five minutes while a page is open. Required,
   * because the page shows the traffic to your providers and can disable endpoints. `false` gives read access to
   * everyone who can reach the page, and control to nobody. Rejecting with something that is not an Error refuses the
   * request (403); an Error is passed to the app's error handler; after the balancer's `timeouts.totalMs` the request
   * ends with 504.
   */
  authorize: ((req: Request) => DashboardAccess | Promise<DashboardAccess>) | false;
  /** Title of the page. Default 'AI balancer'. */
  title?: string | undefined;
  /** Maximum number of concurrent live views; further ones are refused with 503. Default 50. */
  maxViewers?: number | undefined;
  /** A section that the app adds to the page. Default: none. */
  extension?: DashboardExtension | undefined;
}

/** The options with all defaults filled in. */
export type DashboardSettings = Required<Omit<AiDashboardOptions, 'extension'>> &
  Pick<AiDashboardOptions, 'extension'>;

const DEFAULTS = Object.freeze({ title: 'AI balancer', maxViewers: 50 });
const MAX_TITLE_CHARS = 100;

const ownPath = validator<string>(
  "a path on the same origin, such as '/shop.mjs'",
  (value) => typeof value === 'string' && /^(?:\/|\.\/)(?![/\\])[\w./-]*$/.test(value),
);

const SCHEMA = options({
  authorize: validator<AiDashboardOptions['authorize']>(
    'a function of the request, or false for a page that everyone can look at and nobody can control',
    (value) => typeof value === 'function' || value === false,
  ),
  title: validator<string>(
    `a string of 1 to ${MAX_TITLE_CHARS} characters`,
    (value) => typeof value === 'string' && value.trim() !== '' && value.length <= MAX_TITLE_CHARS,
  ).optional(),
  maxViewers: count.optional(),
  extension: options({ script: ownPath, style: ownPath.optional() }).optional(),
});

/** @throws ERR_AI_CONFIG that lists every fault: option, expected, got. */
export function checkDashboardOptions(balancer: unknown, given: AiDashboardOptions): DashboardSettings {
  checkOptions('dashboard', balancer, schemaFaults(given, SCHEMA.safeParse(given)));
  const { authorize, title, maxViewers, extension } = given;
  return {
    authorize,
    title: title ?? DEFAULTS.title,
    maxViewers: maxViewers ?? DEFAULTS.maxViewers,
    ...(extension === undefined ? {} : { extension }),
  };
}
