import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

const FILE = resolve(__dirname, '../../docs/performance.md');
const START = '<!-- bench:policy -->';
const END = '<!-- /bench:policy -->';

/** Replaces the text between the markers in docs/performance.md. */
export function writeDocument(text: string): void {
  const old = readFileSync(FILE, 'utf8');
  const from = old.indexOf(START);
  const to = old.indexOf(END);
  if (from === -1 || to < from) throw new Error(`${FILE}: expected the markers ${START} and ${END}`);
  writeFileSync(FILE, `${old.slice(0, from + START.length)}\n\n${text}\n\n${old.slice(to)}`);
}
