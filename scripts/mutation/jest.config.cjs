const base = require('../../jest.config.js');

/** As the tests run otherwise, but for the environment, which records what each test covers, and only the fast folders. */
module.exports = {
  ...base,
  rootDir: '../..',
  testEnvironment: require.resolve('@stryker-mutator/jest-runner/jest-env/node'),
  setupFilesAfterEnv: [],
  roots: ['quota', 'queue', 'failure', 'health', 'failover', 'routing', 'budget', 'fuzz'].map(
    (folder) => `<rootDir>/__tests__/${folder}`,
  ),
};
