// Loads configuration files as the commands do, and prints what the balancer makes of each, as JSON.
import { type BalancerConfig, createBalancer } from 'express-ai-balancer';
import { loadConfig } from '../../lib/cli/config-file';

async function show(file: string): Promise<unknown> {
  const config = await loadConfig(file);
  const {
    serve: _serve,
    cluster: _cluster,
    cache: _cache,
    ...own
  } = config as BalancerConfig & { serve?: unknown };
  const balancer = createBalancer({ ...own, logger: false });
  const routes: Record<string, unknown> = Object.fromEntries(
    (process.env.ASK ?? '').split(',').map((model): [string, unknown] => {
      const body = { model, messages: [{ role: 'user', content: 'Hi' }] };
      try {
        return [
          model,
          balancer
            .explain(body)
            .verdicts.filter(({ removedBy }) => !removedBy)
            .map(({ endpoint }) => endpoint),
        ];
      } catch (error) {
        return [model, (error as Error).message];
      }
    }),
  );
  await balancer.close();
  return { config, routes };
}

void Promise.all(process.argv.slice(2).map(show)).then((shown) => {
  console.log(JSON.stringify(shown));
  process.exit();
});
