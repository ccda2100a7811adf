export const HELP = `express-ai-balancer simulate --config FILE [options]

Plays a sale against your configuration in virtual time: the balancer itself, simulated providers with your limits,
no network. Five minutes of a sale take seconds.

  -c, --config FILE          .js, .mjs, .cjs or .json that exports a BalancerConfig (default export, or 'config')
      --rps N                calls a second (default 10); with --spike, at its height
      --spike 50x            a flash sale: from a 50th of --rps up to --rps within 5 s, at a fifth of the time;
                             held for 3 tenths of it, then back
      --outage NAME@60+120   the endpoint is down from second 60 for 120 s: half answer 503, half say nothing;
                             may be given several times
      --brownout NAME@60+120 it is ten times as slow
      --trace FILE           lengths and gaps of your own traffic: CSV, plain or gzipped, with the columns
                             t_ms,prompt_tokens,output_tokens (default: the shape of public chat traffic)
      --model NAME           the model that calls ask for (default: auto)
      --deadline-ms N        every call's deadline (default: 3 s + 60 ms for each token of the answer, up to
                             twice as much)
      --seconds N            how long calls arrive (default 300)
      --seed N               another seed is another day (default 1)
      --json                 all figures as JSON
  -h, --help

Tells goodput, latency, cost, 429s, which quota binds first, and what one more key there would change.
`;
