// One worker of the shop. Node's cluster module forks it; the same code would run in a pod or under PM2.
import express, { type ErrorRequestHandler } from 'express';
import { aiBalancer } from 'express-ai-balancer';
import type { Ticket } from '../flash-sale/helpdesk';
import type { WorkerConfig, WorkerReport } from './shop';

const { endpoints, redis } = JSON.parse(process.env.SHOP ?? '{}') as WorkerConfig;

const app = express();
const ai = aiBalancer({
  endpoints,
  // This is all it takes for four processes to share their quotas.
  ...(redis === undefined ? {} : { cluster: { redis, prefix: 'cluster-demo' } }),
});
app.use(express.json({ limit: '1mb' }));
app.use(ai);

const report = { answered: 0, failed: 0, waited: 0, rateLimited: 0 };
const NOTICEABLE_MS = 50;

app.post('/helpdesk', async (req, res) => {
  const {
    question,
    maxTokens,
    expectedTokens,
    priority,
    timeoutMs: patienceMs,
    metadata,
  } = req.body as Ticket;
  // With keep-alive a customer would stay with one worker, and the load would be uneven.
  res.set('connection', 'close');
  const { data, route } = await req.ai
    .chat(
      { model: 'auto', messages: [{ role: 'user', content: question }], max_tokens: maxTokens, metadata },
      { priority, maxLatencyMs: patienceMs - 100, estimatedOutputTokens: expectedTokens },
    )
    .withRoute();
  if (route.waitMs > NOTICEABLE_MS) report.waited += 1;
  res.json({ answer: data.choices[0]?.message.content });
});

const sendError: ErrorRequestHandler = (error: { status?: number; code?: string }, _req, res, next) => {
  if (res.headersSent) next(error);
  else res.status(error.status ?? 502).json({ error: error.code ?? 'failed' });
};
app.use(sendError);

ai.balancer.on('call', ({ code }) => {
  if (code === undefined) report.answered += 1;
  else report.failed += 1;
});
ai.balancer.on('attempt', (attempt) => {
  if (attempt.class === 'rate_limited') report.rateLimited += 1;
});

setInterval(() => {
  const quotas = ai.balancer.stats().cluster?.mode ?? 'not shared';
  process.send?.({ ...report, quotas } satisfies WorkerReport);
}, 500).unref();

void ai.balancer.ready().then(() => {
  // Port 0 is the same port for all workers of one primary.
  const server = app.listen(0, '127.0.0.1');
  process.once('SIGTERM', () => {
    server.close();
    void ai.balancer.close({ graceMs: 0 }).then(() => process.exit(0));
  });
});
// Ctrl-C reaches the whole process group, but the primary decides when its workers end.
process.on('SIGINT', () => undefined);
