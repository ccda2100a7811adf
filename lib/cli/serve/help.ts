import { withDocUrls } from '../doc-urls';

export const SERVE_HELP = withDocUrls(`express-ai-balancer serve --config FILE [options]

Serves OpenAI's API over your endpoints: /v1, the page at /dashboard, metrics at /metrics (if prom-client is installed),
/healthz and /readyz.

  -c, --config FILE    .json, .js, .mjs, .cjs, .ts or .mts with a BalancerConfig, and beside its fields \`serve\`:
                       docs/serve.md
                       \${NAME} in its strings is the environment variable of that name
      --port N         default: PORT, else serve.port, else 3000
      --host ADDRESS   default: serve.host, else 127.0.0.1
      --workers N      processes (default 1). With cluster.redis they share quotas through Redis; without it each has
                       an even share of them
  -h, --help           show this help

SIGTERM and SIGINT stop it: running calls have 30 s to finish (serve.graceMs).
`);
