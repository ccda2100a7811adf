const base = require('../../jest.config.js');

/** The folders of tests that run for each mutant: those that need no real time. MUTATION_TESTS names others, by comma. */
const FOLDERS = process.env.MUTATION_TESTS ?? 'quota,queue,failure,health,failover,routing,budget,fuzz';

/** As the tests run otherwise, but for the environment, which records what each test covers. */
module.exports = {
  ...base,
  rootDir: '../..',
  testEnvironment: require.resolve('@stryker-mutator/jest-runner/jest-env/node'),
  setupFilesAfterEnv: [],
  // A mutant that keeps a promise from settling fails its test then. No test takes two seconds without a mutant.
  testTimeout: 15_000,
  testSequencer: require.resolve('./shortest-first.cjs'),
  // These take seconds each, and every mutant that survives would run them.
  testPathIgnorePatterns: ['health/evidence', 'queue/recovery', 'quota/lies.invariants'],
  roots: FOLDERS.split(',').map((folder) => `<rootDir>/__tests__/${folder}`),
};
