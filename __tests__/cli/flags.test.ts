import { parseFlags } from '../../lib/cli/simulate/flags';

test('simulate: flags that are not given have default values', () => {
  expect(parseFlags(['--config', 'ai.mjs'])).toEqual({
    config: 'ai.mjs',
    rps: 10,
    spike: 1,
    outages: [],
    brownouts: [],
    trace: undefined,
    replay: undefined,
    without: [],
    seconds: 300,
    seed: 1,
    model: undefined,
    deadlineMs: undefined,
    target: undefined,
    json: false,
  });
});

test('simulate: --outage and --brownout can be repeated, and an endpoint name may contain @', () => {
  expect(
    parseFlags(['-c', 'x', '--outage', 'a@60+120', '--outage', 'b@c@1.5+2', '--brownout', 'a@0+1']),
  ).toMatchObject({
    outages: [
      { endpoint: 'a', fromS: 60, forS: 120 },
      { endpoint: 'b@c', fromS: 1.5, forS: 2 },
    ],
    brownouts: [{ endpoint: 'a', fromS: 0, forS: 1 }],
  });
});

test('simulate: every flag with a number is read as written', () => {
  expect(
    parseFlags(
      '-c x --rps 2.5 --spike 3X --seconds 60 --seed 7 --deadline-ms 900 --target 99.5% --without a --json'.split(
        ' ',
      ),
    ),
  ).toMatchObject({
    rps: 2.5,
    spike: 3,
    seconds: 60,
    seed: 7,
    deadlineMs: 900,
    target: 99.5,
    without: ['a'],
    json: true,
  });
  expect(parseFlags(['--help'])).toBe('help');
});

test.each([
  [[], '--config FILE is missing'],
  [
    ['--config', 'x', '--replay', 'calls.log', '--rps', '5'],
    '--rps: the log of --replay says that of each call',
  ],
  [['--rps', '0'], "--rps: expected a number above 0, got '0'"],
  [['--rps', 'many'], "--rps: expected a number above 0, got 'many'"],
  [['--rps', 'Infinity'], '--rps: expected a number above 0'],
  [['--seconds', ''], '--seconds: expected a number above 0'],
  [['--seed', '9'.repeat(20)], '--seed: expected an integer'],
  [['--target', '101'], '--target: expected a goodput in percent above 0, at most 100'],
  [['--seed', '1.5'], '--seed: expected an integer'],
  [['--spike', '0.5x'], '--spike: expected a factor of at least 1'],
  [['--spike', 'x'], '--spike: expected a factor of at least 1'],
  [['--outage', 'main'], '--outage: expected NAME@START+LENGTH'],
  [['--outage', 'main@60+0'], '--outage: expected NAME@START+LENGTH'],
  [['--brownout', '@60+1'], '--brownout: expected NAME@START+LENGTH'],
  [['--deadline-ms', '-5'], '--deadline-ms'],
  [['--target', '0'], '--target: expected a goodput in percent above 0, at most 100'],
  [['--target', 'all'], '--target: expected a goodput in percent'],
  [['--replay', 'x', '--target', '99'], '--target: not with --replay'],
  [['--tracee', 'x'], "'--tracee'"],
  [['stray'], 'stray'],
])(
  'simulate: invalid flags are rejected with the name of the flag and what was expected: %j',
  (args, message) => {
    const given = args.length === 0 ? args : ['--config', 'x', ...args];
    expect(() => parseFlags(given)).toThrow(message);
    expect(() => parseFlags(given)).toThrow(expect.objectContaining({ name: 'UsageError' }) as Error);
  },
);
