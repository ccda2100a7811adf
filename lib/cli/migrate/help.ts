import { withDocUrls } from '../doc-urls';

export const MIGRATE_HELP = withDocUrls(`express-ai-balancer migrate FILE [options]

Writes a configuration from that of another tool: the config.yaml of a LiteLLM proxy, a config of Portkey's gateway (JSON),
or the config.json of Bifrost. What is in the file decides which it is. Standard error says which environment variables are
needed, what means something else here, and what was left out. Keys are never written: they become environment variables.

      --out FILE       .ts, .mts, .mjs or .js; default: standard output, in TypeScript
      --force          overwrites the file
      --model NAME     a model that calls ask for, where the file leaves it open ('*', or a target without a model);
                       for Bifrost provider/model. Can be repeated
      --serve          for the serve command: adds a token for clients
  -h, --help           show this help

docs/migrate.md lists which option becomes which.
`);
