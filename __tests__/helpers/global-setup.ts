import { missingPrograms } from './programs';

/** Prints one line with the programs whose absence skips tests. In CI a missing program is a failure. */
export default function reportSkippedTests(): void {
  const missing = missingPrograms();
  if (missing.length === 0) return;
  const line = `Skipped: tests that need ${missing.join(' and ')}, which this machine does not have.`;
  if (process.env.CI === 'true') throw new Error(`${line} In CI every test must run.`);
  process.stderr.write(`${line}\n`);
}
