/** @type {import('jest').Config} */
module.exports = {
  // Node's, and at the end of every file it counts what is left of its calls.
  testEnvironment: '<rootDir>/__tests__/helpers/slot-checking-environment.ts',
  setupFilesAfterEnv: ['<rootDir>/__tests__/helpers/open-slots.ts'],
  roots: ['<rootDir>/__tests__'],
  // A busy machine must not fail tests that measure nothing: only what would never end takes this long.
  testTimeout: 300_000,
  collectCoverageFrom: ['<rootDir>/lib/**/*.ts'],
  coverageReporters: ['text-summary', 'json', 'html'],
  // Most tests wait for sockets and timers, so a worker on every core pays.
  maxWorkers: '100%',
  testMatch: ['**/*.test.ts'],
  globalSetup: '<rootDir>/__tests__/helpers/global-setup.ts',
  transform: {
    '^.+\\.[cm]?[jt]s$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'commonjs' },
      },
    ],
  },
  // Published as ES modules only; jest runs CommonJS.
  transformIgnorePatterns: ['/node_modules/(?!(tokenx)/)'],
  moduleNameMapper: {
    '^express-ai-balancer$': '<rootDir>/lib/index.ts',
    '^express-ai-balancer/simulator$': '<rootDir>/lib/simulator/index.ts',
  },
};
