import { readFileSync, statSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { UsageError } from '../usage-error';

const MAX_BYTES = 4 << 20;

/** Reads a YAML or JSON file. Messages never quote the file, which may contain keys. @throws UsageError */
export function readSource(file: string): unknown {
  const lines = new LineCounter();
  // Parses as LiteLLM's YAML library for Python does: version 1.1, which includes JSON, and of two equal keys the last
  // counts.
  const document = parseDocument(readText(file), {
    version: '1.1',
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: lines,
    logLevel: 'silent',
  });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    const what = error.code.toLowerCase().replaceAll('_', ' ');
    throw new UsageError(`${file}: not valid YAML or JSON at line ${line}, column ${col}: ${what}`);
  }
  try {
    return document.toJS({ maxAliasCount: 1_000 }) as unknown;
  } catch {
    throw new UsageError(`${file}: not valid YAML: an alias without an anchor, or too many aliases`);
  }
}

function readText(file: string): string {
  try {
    if (statSync(file).size > MAX_BYTES) throw new UsageError(`${file}: larger than 4 MiB`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'no such file' : `could not be read (${code ?? 'unknown error'})`;
    throw new UsageError(`${file}: ${reason}`);
  }
}
