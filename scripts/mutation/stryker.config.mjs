import { fileURLToPath } from 'node:url';

/** With the retry plan, the folders whose decisions cost money or calls where they are wrong. */
const FOLDERS = ['quota', 'queue', 'failure', 'health'];
const RUNNER = 'node_modules/@stryker-mutator/jest-runner/dist/src/index.js';

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: [...FOLDERS.map((folder) => `lib/${folder}/**/*.ts`), 'lib/failover/retry-plan.ts'],
  testRunner: 'jest',
  plugins: [fileURLToPath(new URL(RUNNER, import.meta.url))],
  // Tests that import the package by its name are not found as related to a file.
  jest: { configFile: 'scripts/mutation/jest.config.cjs', enableFindRelatedTests: false },
  coverageAnalysis: 'perTest',
  // Every file that Jest runs leaves an AsyncLocalStorage in the process, which slows down each promise after it.
  maxTestRunnerReuse: 25,
  // Messages are checked where they matter; a mutant of every word of them says nothing.
  mutator: { excludedMutations: ['StringLiteral'] },
  ignoreStatic: true,
  reporters: ['clear-text', 'progress-append-only', 'json'],
  jsonReporter: { fileName: 'coverage/mutation.json' },
  // A busy machine must not make a mutant look as if it were noticed.
  timeoutMS: 6_000,
  timeoutFactor: 3,
  tempDirName: 'coverage/mutation',
  thresholds: { break: 85 },
};
