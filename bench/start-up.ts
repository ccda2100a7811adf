/**
 * What it takes to load the built package in a new process, and to create a balancer: time and memory, beside Express
 * and axios. The app loads Express itself, so the package is measured after it.
 * `npm run build && npm run bench -- start-up [--quick]`
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { median } from './statistics';

const ROUNDS = process.argv.includes('--quick') ? 5 : 21;
const PACKAGE = JSON.stringify(join(__dirname, '../dist/index.cjs'));

const REQUIRE_PACKAGE = `require(${PACKAGE})`;
const SUBJECTS = {
  express: ['', `require('express')`],
  axios: ['', `require('axios')`],
  'this package, after Express': [`require('express')`, REQUIRE_PACKAGE],
  'this package, alone': ['', REQUIRE_PACKAGE],
  'a balancer of 12 endpoints': [REQUIRE_PACKAGE, createBalancer(12)],
  'a balancer of 500 endpoints': [REQUIRE_PACKAGE, createBalancer(500)],
} as const;

function createBalancer(endpoints: number): string {
  return `require(${PACKAGE}).createBalancer({ logger: false, endpoints: Array.from({ length: ${endpoints} }, (_, n) => ({
    name: 'key-' + n, model: 'gpt-4o', apiKey: 'sk-test', baseURL: 'http://upstream.invalid/v1', rpm: 600, tpm: 600_000,
  })) })`;
}

function measure([before, subject]: readonly [string, string]): { ms: number; mb: number } {
  const program = `
    ${before};
    gc();
    const rss = process.memoryUsage().rss, from = performance.now();
    ${subject};
    const ms = performance.now() - from;
    console.log(JSON.stringify({ ms, mb: (process.memoryUsage().rss - rss) / 1e6 }));
    process.exit();`;
  const options = { cwd: join(__dirname, '..'), encoding: 'utf8' } as const;
  return JSON.parse(execFileSync(process.execPath, ['--expose-gc', '-e', program], options)) as {
    ms: number;
    mb: number;
  };
}

const results = new Map(Object.keys(SUBJECTS).map((name) => [name, [] as { ms: number; mb: number }[]]));
// The first round fills the cache of the file system.
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, subject] of Object.entries(SUBJECTS)) {
    const result = measure(subject);
    if (round > 0) results.get(name)?.push(result);
  }
}

const express = median((results.get('express') ?? []).map(({ ms }) => ms));
console.log(`${ROUNDS} processes each, medians; node ${process.version}\n`);
console.log('| what | ms | lowest to highest | of Express | MB |');
console.log('| --- | ---: | ---: | ---: | ---: |');
for (const [name, runs] of results) {
  const times = runs.map(({ ms }) => ms);
  const ms = median(times);
  const range = `${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)}`;
  const mb = median(runs.map((run) => run.mb)).toFixed(1);
  console.log(`| ${name} | ${ms.toFixed(0)} | ${range} | ${(ms / express).toFixed(2)} | ${mb} |`);
}
