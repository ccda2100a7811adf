import { withDocUrls } from '../doc-urls';

export const HELP = withDocUrls(`express-ai-balancer simulate --config FILE [options]

Simulates traffic against your configuration in virtual time: the real balancer over simulated providers with your
limits, without a network. Five minutes of traffic take ten to thirty seconds.

  -c, --config FILE          exports a BalancerConfig (default export, or 'config'): .js, .mjs, .cjs or .json; .ts, .mts
                             or .cts with Node 22.18 or the package tsx. Keys need not be set
      --rps N                calls per second (default 10); with --spike, at the peak
      --spike 50x            a flash sale: starts at a 50th of --rps, rises to --rps within 5 s after 20 % of the
                             run, stays there for 30 % of the run, then decays
      --outage NAME@60+120   the endpoint is down from second 60 for 120 s: half of the calls get a 503, half get
                             no answer; can be repeated
      --brownout NAME@60+120 the endpoint is ten times slower; can be repeated
      --trace FILE           lengths and gaps of your own traffic: CSV, optionally gzipped, with the columns
                             t_ms,prompt_tokens,output_tokens (default: lengths of public chat traffic)
      --replay FILE          the calls of a route log, at the times, with the models, tenants and lengths that it has:
                             one JSON line per call, optionally gzipped:
                             docs/simulate.md
      --without NAME         leaves an endpoint of the configuration out; can be repeated
      --model NAME           the model of every call (default: auto, which is any model of the file)
      --deadline-ms N        the deadline of every call (default: 3 s + 60 ms per token of the answer, times a
                             random factor from 1 to 2)
      --seconds N            duration of the traffic (default 300)
      --seed N               seed of all random numbers (default 1)
      --target 99            how many keys a goodput of 99 % takes: adds keys where quotas run out first
      --json                 print all metrics as JSON, in milliseconds, percent and US dollars
  -h, --help                 show this help

Reports goodput, latency, cost, 429s, which quota is exhausted first, and what one more key there would change.
`);
