/** The known name closest to a misspelled one; undefined if none is similar. */
export function didYouMean(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined;
  const wanted = plain(name);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, plain(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Describes what was expected in place of an unknown option, for an error message. */
export function knownOption(name: string, known: readonly string[]): string {
  const near = didYouMean(name, known);
  return near === undefined ? `one of ${known.join(', ')}` : `a known option (did you mean '${near}'?)`;
}

/** Ignores case, separators and the plural of -y: `base_url` and `baseURL` are the same name, `retries` and `retry` too. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/[_\-.\s]/g, '')
    .replace(/ies$/, 'y');
}

/** Edit distance in which swapping two adjacent letters is one edit (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = at(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const transposition = swapped ? at(before, j - 2) + 1 : Infinity;
      next.push(Math.min(substitution, transposition, at(row, j) + 1, at(next, j - 1) + 1));
    }
    before = row;
    row = next;
  }
  return at(row, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] as number;
}
