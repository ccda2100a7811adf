import { missingPrograms } from './programs';
import { HAS_RUNTIMES, missingRuntimes } from './runtimes';

/**
 * Prints a line with what is not installed and why its tests are skipped. In CI a missing program is a failure; a
 * missing runtime never is, because it is a download of its own.
 */
export default function reportSkippedTests(): void {
  const programs = missingPrograms();
  report(programs, 'which this machine does not have', true);
  const reason = HAS_RUNTIMES
    ? 'which `npm install --prefix scripts/runtimes` installs'
    : `which npm carries for Linux on x64 only, not for ${process.platform} on ${process.arch}`;
  report(missingRuntimes(), reason, false);
}

function report(missing: readonly string[], reason: string, isRequired: boolean): void {
  if (missing.length === 0) return;
  const line = `Skipped: tests that need ${missing.join(' and ')}, ${reason}.`;
  if (isRequired && process.env.CI === 'true') throw new Error(`${line} In CI every test must run.`);
  process.stderr.write(`${line}\n`);
}
