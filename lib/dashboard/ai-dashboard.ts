import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Balancer } from '../balancer/balancer';
import { INTERNALS } from '../balancer/internals';
import { toError } from '../util/app-function';
import { accessOf, checkControlRequest, checkReader } from './access';
import { control } from './control';
import { LiveFeed } from './live-feed';
import { Monitor } from './monitor';
import { type AiDashboardOptions, checkDashboardOptions } from './options';
import { readPage, readPageFiles } from './page-files';
import { Refusal, refusalHandler, sendJson } from './refusal';
import { currentState, recentHistory, type Status } from './status';

export type { AiDashboardOptions, DashboardAccess, DashboardExtension } from './options';

/** Security headers: everything is loaded from the same origin, inline code and framing are not allowed. */
const HEADERS = Object.entries({
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
});

type Handler = (req: Request, res: Response, access: 'view' | 'control') => void | Promise<void>;

/**
 * Serves a live page of the balancer: endpoints with state and reason, traffic, quota levels, the queue, the last 15
 * minutes and the latest routes. It has controls to disable and enable endpoints and to set their weights, if
 * `authorize` allows it. Shows no key and no prompt. Serves `/` (the page), `/stats.json`, `/events` (SSE), `/control`
 * (POST) and `/assets` below its mount point; requests for other paths are passed to the next handler.
 *
 * @example app.use('/ai', aiDashboard(balancer, { authorize: (req) => (req.user?.isAdmin ? 'control' : false) }))
 *
 * @throws ERR_AI_CONFIG that lists every fault of the options; `authorize` is required.
 */
export function aiDashboard(balancer: Balancer, options: AiDashboardOptions): Router {
  const settings = checkDashboardOptions(balancer, options);
  const files = readPageFiles();
  const page = readPage(settings);
  const monitor = Monitor.of(balancer);
  const feed = new LiveFeed(balancer, monitor, settings.maxViewers);

  const withAccess = (handle: Handler): RequestHandler => {
    const serve = async (req: Request, res: Response): Promise<void> => {
      for (const [name, value] of HEADERS) res.setHeader(name, value);
      await handle(req, res, await accessOf(req, settings.authorize, balancer[INTERNALS].appTimeoutMs));
    };
    // Passes a rejection to `next`, because Express 4 does not handle rejected promises.
    return (req, res, next) => {
      serve(req, res).catch((reason: unknown) => next(toError(reason, 'aiDashboard')));
    };
  };

  const router = Router();
  router.get(
    '/',
    withAccess((req, res) => {
      const folder = missingSlash(req);
      if (folder === undefined) sendFile(res, 'text/html; charset=utf-8', page);
      else res.redirect(302, folder);
    }),
  );
  router.get(
    '/assets/:name',
    withAccess((req, res) => {
      const file = files.get(String(req.params.name));
      if (file === undefined) throw new Refusal(404, 'File not found.');
      sendFile(res, file.type, file.body);
    }),
  );
  router.get(
    '/stats.json',
    withAccess((req, res) => {
      checkReader(req);
      const status: Status = {
        ...currentState(balancer, monitor),
        history: recentHistory(monitor),
        calls: monitor.calls.after(0),
      };
      sendJson(res, 200, status);
    }),
  );
  router.get(
    '/events',
    withAccess((req, res, access) => {
      checkReader(req);
      if (balancer[INTERNALS].closing.aborted) throw new Refusal(503, 'The balancer is closed.');
      if (feed.isFull)
        throw new Refusal(503, `${settings.maxViewers} views are open: close one and try again.`);
      if (req.method === 'HEAD') res.end();
      else feed.add(res, { access });
    }),
  );
  router.post(
    '/control',
    withAccess(async (req, res, access) => {
      checkControlRequest(req);
      if (access !== 'control') throw new Refusal(403, 'You may look, but not change anything.');
      const { name, state } = await control(balancer, req, res);
      sendJson(res, 200, { endpoint: name, state });
    }),
  );
  router.use(refusalHandler);
  return router;
}

/**
 * Returns the redirect target for a URL without a trailing slash; undefined if it has one. The page needs the slash,
 * because its links are relative, so that it works behind a proxy that changes the path.
 */
function missingSlash({ originalUrl }: Request): string | undefined {
  const [path = ''] = originalUrl.split('?');
  if (path.endsWith('/')) return undefined;
  return `./${path.slice(path.lastIndexOf('/') + 1)}/`;
}

function sendFile(res: Response, type: string, body: string | Buffer): void {
  res.setHeader('content-type', type);
  // The browser must revalidate; Express responds with 304 if the ETag matches.
  res.setHeader('cache-control', 'private, no-cache');
  res.send(body);
}
