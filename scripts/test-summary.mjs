// Prints `N passed, N failed`, and `, N skipped` where tests were left out, from the file that jest --json wrote.
// A test file that could not run at all counts as one failed test. Exits with 1 unless everything passed.
import { readFileSync } from 'node:fs';

const file = process.argv[2];
let summary;
try {
  summary = JSON.parse(readFileSync(file, 'utf8'));
} catch (error) {
  console.error(`No summary of the tests: ${error.message}`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = summary;
const failed = numFailedTests + numRuntimeErrorTestSuites;
const skipped = numPendingTests + numTodoTests;
console.log(`${numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 && numPassedTests > 0 && summary.success ? 0 : 1);
