// Reads the output file of jest --json, and that of a second run of the files that failed, if there was one.
// Prints `N passed, N failed`, and `, N skipped` if tests were skipped. A test file that could not run counts as one
// failed test. Exits with 1 unless everything passed, at the latest in the second run.
// With --failed-files it prints the files to run again instead: none if more than MAX_AGAIN failed.
import { readFileSync } from 'node:fs';

const MAX_AGAIN = 4;

const args = process.argv.slice(2);
const listsFiles = args[0] === '--failed-files';
const [first, second] = (listsFiles ? args.slice(1) : args).map(read);

if (listsFiles) {
  const files = failedFiles(first ?? { testResults: [] });
  if (files.length <= MAX_AGAIN) console.log(files.join('\n'));
} else if (!first) {
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
} else {
  const again = new Set(second ? failedFiles(first) : []);
  const results = [
    ...first.testResults.filter(({ name }) => !again.has(name)),
    ...(second?.testResults ?? []).filter(({ name }) => again.has(name)),
  ];
  const count = (...statuses) =>
    results.flatMap((file) => file.assertionResults).filter(({ status }) => statuses.includes(status)).length;
  const broken = results.filter((file) => file.status === 'failed' && !hasFailedTest(file)).length;
  const passed = count('passed');
  const failed = count('failed') + broken;
  const skipped = count('pending', 'skipped', 'todo', 'disabled');
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  const isComplete =
    results.length === first.testResults.length && first.numTotalTestSuites === results.length;
  process.exitCode = failed === 0 && passed > 0 && isComplete ? 0 : 1;
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.error(`Cannot read the test summary: ${error.message}`);
    return undefined;
  }
}

function failedFiles({ testResults }) {
  return testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
}

function hasFailedTest({ assertionResults }) {
  return assertionResults.some(({ status }) => status === 'failed');
}
