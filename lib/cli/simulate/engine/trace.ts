import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** One request of a trace. */
export interface TraceRow {
  /** Milliseconds from the first request of the trace to this one. */
  readonly atMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

const COLUMNS = ['t_ms', 'prompt_tokens', 'output_tokens'] as const;

/**
 * Reads a trace: CSV, optionally gzipped, with the columns t_ms, prompt_tokens and output_tokens, sorted by time.
 *
 * @throws An Error that names the file and the line.
 */
export function readTrace(file: string): TraceRow[] {
  const raw = readFileSync(file);
  const text = (raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw).toString('utf8');
  const [header = '', ...lines] = text.split(/\r?\n/);
  const names = header.split(',').map((name) => name.trim());
  const columnIndexes = COLUMNS.map((column) => names.indexOf(column));
  const missing = COLUMNS.filter((_, index) => columnIndexes[index] === -1);
  if (missing.length > 0) {
    throw new Error(`${file}: expected the columns ${COLUMNS.join(', ')}; missing: ${missing.join(', ')}`);
  }
  const rows: TraceRow[] = [];
  lines.forEach((line, index) => {
    if (line.trim() === '') return;
    const cells = line.split(',');
    const [atMs, promptTokens, outputTokens] = columnIndexes.map((column) =>
      Number(cells[column] || NaN),
    ) as [number, number, number];
    const last = rows[rows.length - 1]?.atMs ?? 0;
    const isValid =
      [atMs, promptTokens, outputTokens].every((value) => Number.isFinite(value) && value >= 0) &&
      atMs >= last;
    if (!isValid) {
      throw new Error(`${file}:${index + 2}: expected three numbers of at least 0, sorted by time`);
    }
    rows.push({ atMs, promptTokens, outputTokens });
  });
  if (rows.length < 2) throw new Error(`${file}: expected at least two rows`);
  return rows;
}
