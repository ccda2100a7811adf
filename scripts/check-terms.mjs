// Fails on discouraged words in code, tests and docs. Each concept has one name (see CONTRIBUTING.md); the words below
// are former or private names for it, or phrases that read badly. `npm run lint:terms [-- FILE ...]`
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const FOLDERS = [
  'lib',
  '__tests__',
  'docs',
  'examples',
  'bench',
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
];
const EXTENSIONS = /\.(ts|mts|cts|mjs|cjs|js|md)$/;

/** A pattern, what to write instead, and the files in which the word has its ordinary meaning. */
const RULES = [
  [/hearsay|\bwitness/i, 'health report'],
  [/\bcompany\b|[a-z]Company\b/, 'peer'],
  [/unseen[ -]?use\b|others'? ?use\b/i, 'external usage'],
  [/\bcrowd(s|ed|ing)?\b|[a-z]Crowd\b/, 'the calls that are waiting'],
  [/\btrails?\b|[a-z]Trail\b/, 'route recorder, call state'],
  [/side-?store/i, 'answer store'],
  [/restsUntil|restMs|\b(rests|rested|resting)\b/i, 'cooldown'],
  [/\bpatien(ce|t)\b/i, 'the wait, the deadline'],
  [/\banew\b/i, 'again'],
  [/ledgers?\b|Ledger/, 'limiter (Bottleneck), bucket (local view)'],
  [/\bdeployments?\b/i, 'endpoint', /litellm|azure|not[- ]served|failure|provider/],
  [
    /\b[Ll]eases?\b|[a-z]Leases?\b/,
    'attempt slot, reservation (a lease is quota taken ahead from Redis)',
    /cluster|quota|budget|architecture|CONTRIBUTING|CHANGELOG|performance|dependencies|tenant|README/,
  ],
  [
    /\b(requests?|tokens?|calls?|attempts?|units?|times|jobs|events|messages|round trips|scripts|commands|tries|questions|\d[\d,.]*) an? (minute|second|hour|day|millisecond|call)\b/i,
    '"per minute", "per second", ...',
  ],
  [/\b(hears?|heard|hearing)\b/i, 'receive, learn'],
  [/\btold\b/i, 'reported, passed, known'],
  [/\b(the|in|of) house\b|HOUSE_/i, 'process, balancer'],
  [/\bof no account\b|\bat most so\b|\b(is|are) to be\b/i, 'plain modern English'],
];

const named = process.argv.slice(2);
const files = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', ...(named.length > 0 ? named : FOLDERS)],
  { encoding: 'utf8' },
)
  .split('\n')
  .filter((file) => EXTENSIONS.test(file));

let found = 0;
for (const file of files) {
  let lines;
  try {
    lines = readFileSync(file, 'utf8').split('\n');
  } catch {
    continue; // Deleted but not committed yet.
  }
  lines.forEach((line, index) => {
    // A line can be excused with its reason: `terms-ok: quotes Azure`.
    if (line.includes('terms-ok')) return;
    for (const [pattern, instead, allowedIn] of RULES) {
      const match = pattern.exec(line);
      if (!match || allowedIn?.test(file)) continue;
      found += 1;
      console.error(`${file}:${index + 1}: "${match[0]}": write ${instead}`);
    }
  });
}
if (found > 0) {
  console.error(`${found} discouraged ${found === 1 ? 'word' : 'words'}`);
  process.exit(1);
}
