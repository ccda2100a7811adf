const base = require('../../jest.config.js');

/** The tests that run for each mutant, by folder or file. MUTATION_TESTS names others, by comma. */
const TESTS =
  process.env.MUTATION_TESTS ?? 'quota,queue,failure,health,failover/retry-plan,failover/retry-figures';

/** As the tests run otherwise, but for the environment, which records what each test covers. */
module.exports = {
  ...base,
  rootDir: '../..',
  testEnvironment: require.resolve('./environment.cjs'),
  setupFilesAfterEnv: [],
  // A mutant that keeps a promise from settling fails its test after this time.
  testTimeout: 5_000,
  testSequencer: require.resolve('./shortest-first.cjs'),
  // These take seconds each, and every mutant that survives would run them.
  testPathIgnorePatterns: [
    'failure/arbitrary-input',
    'health/evidence',
    'queue/recovery',
    'quota/lies.invariants',
  ],
  testMatch: TESTS.split(',').flatMap((path) => [
    `<rootDir>/__tests__/${path}/**/*.test.ts`,
    `<rootDir>/__tests__/${path}.test.ts`,
  ]),
};
