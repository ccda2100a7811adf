import express, { static as files, type Request, type Response, Router } from 'express';
import { FAULT_KINDS, type FaultKind } from './faults';
import type { Outcome, ShopName, Stage } from './stage';

const SHOPS: { name: ShopName; title: string; about: string }[] = [
  { name: 'balanced', title: 'express-ai-balancer', about: 'Twelve keys, balanced by this package' },
  { name: 'roundRobin', title: 'Round robin', about: 'The same twelve keys, one after the other' },
  { name: 'oneKey', title: 'One key', about: 'The official client with one key' },
];

/**
 * The demo's part of the page: the three shops side by side, and buttons to break and heal providers.
 *
 * @param folder Its script and style.
 */
export function salePanel(folder: string): { router: Router; show(stage: Stage): void } {
  let stage: Stage | undefined;
  const router = Router();
  router.use('/sale', files(folder));
  router.get('/sale/status.json', async (_req, res) => {
    if (stage) res.set('cache-control', 'no-store').json(await statusOf(stage));
    else res.status(503).end();
  });
  router.post('/sale/:action', express.json(), async (req, res) => {
    // A page of another site can't send this header.
    if (!stage || req.get('x-demo') === undefined) res.status(403).end();
    else await act(stage, req, res);
  });
  return {
    router,
    show: (shown) => {
      stage = shown;
    },
  };
}

async function act(stage: Stage, req: Request, res: Response): Promise<void> {
  const { provider, kind } = (req.body ?? {}) as { provider?: string; kind?: FaultKind };
  const isKnown = provider !== undefined && stage.providers.includes(provider);
  switch (req.params.action) {
    case 'start':
      if (stage.progress.isRunning) res.status(409).json({ error: 'A sale is running already.' });
      else {
        stage.play().catch((error: unknown) => console.error(error));
        res.json({});
      }
      return;
    case 'break':
      if (!isKnown || !kind || !FAULT_KINDS.includes(kind)) res.status(400).json({ error: 'Unknown fault.' });
      else {
        await stage.faults.break(provider, kind);
        res.json({});
      }
      return;
    case 'heal':
      await (isKnown ? stage.faults.heal(provider) : stage.faults.healAll());
      res.json({});
      return;
    default:
      res.status(404).json({ error: 'Unknown action.' });
  }
}

async function statusOf(stage: Stage) {
  const outcomes = await stage.outcomes();
  return {
    ...stage.progress,
    providers: stage.providers,
    kinds: FAULT_KINDS,
    faults: stage.faults.active,
    shops: SHOPS.map(({ name, title, about }) => ({ name, title, about, ...figuresOf(outcomes[name]) })),
  };
}

function figuresOf({ tally, rateLimited, usd }: Outcome) {
  const { asked, inTime, refused, late, waiting } = tally;
  const decided = inTime + refused + late;
  return {
    asked,
    inTime,
    refused,
    late,
    waiting,
    // Of those who have an answer or have left: who still waits counts neither way.
    percent: decided === 0 ? null : (100 * inTime) / decided,
    p95Ms: inTime === 0 ? null : tally.percentile(0.95),
    rateLimited,
    usdPer1k: inTime === 0 ? null : (1000 * usd) / inTime,
  };
}
