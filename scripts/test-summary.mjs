// Prints `N passed, N failed`, and `, N skipped` if tests were skipped, from the output file of jest --json.
// A test file that could not run counts as one failed test. Exits with 1 unless everything passed.
import { readFileSync } from 'node:fs';

const file = process.argv[2];
let summary;
try {
  summary = JSON.parse(readFileSync(file, 'utf8'));
} catch (error) {
  console.error(`Cannot read the test summary: ${error.message}`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = summary;
const failed = numFailedTests + numRuntimeErrorTestSuites;
const skipped = numPendingTests + numTodoTests;
console.log(`${numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 && numPassedTests > 0 && summary.success ? 0 : 1);
