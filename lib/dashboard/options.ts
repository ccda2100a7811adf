import type { Request } from 'express';
import { checkOptions } from '../balancer/check-options';
import { schemaFaults } from '../config/config-errors';
import { count, options, validator } from '../config/validators';

/**
 * What `authorize` returns. `'view'` admits the request to look; `'control'` and `true` also let it disable, enable and
 * reweigh endpoints. `false`, undefined, null and anything else refuse it with 403.
 */
export type DashboardAccess = boolean | 'view' | 'control' | null | undefined;

/** A script and a style sheet of the app that the page loads as well. */
export interface DashboardExtension {
  /**
   * Path of a module script on the same origin, such as `/shop.mjs`. It finds an empty `<section id="extension">` on the
   * page, and the state in the `detail` of the document's `ai-dashboard` events.
   */
  script: string;
  /** Path of a style sheet on the same origin. Default: none. */
  style?: string;
}

/** Options of `aiDashboard()`. */
export interface AiDashboardOptions {
  /**
   * Decides who may use the page; called for every request, and again every five minutes while a page is open. Required,
   * because the page shows what your providers are asked and can take endpoints out. `false` lets everyone who can reach
   * the page look, and nobody control. A rejection without an Error is a refusal (403); an Error goes to the app's error
   * handler; after the balancer's `timeouts.totalMs` the request ends with 504.
   */
  authorize: ((req: Request) => DashboardAccess | Promise<DashboardAccess>) | false;
  /** Title of the page. Default 'AI balancer'. */
  title?: string;
  /** Live views at the same time; another one is refused with 503. Default 50. */
  maxViewers?: number;
  /** Adds a section of the app to the page. Default: none. */
  extension?: DashboardExtension;
}

/** The options with their defaults. */
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
