/**
 * Quotas: 500 calls of 900 tokens, 50 at a time, on 30,000 tokens per minute, measured at the provider; with another
 * process on the same key; at 2.6 times the capacity; over sockets while the event loop stalls.
 * `npx tsx bench/quota.ts [--quick]`; `--real-time --whole` runs the first of them in real time, which takes 15 minutes.
 */
import { spawnSync } from 'node:child_process';

const isQuick = process.argv.includes('--quick');
const percent = (share: number): string => (share * 100).toFixed(1);

// Modules are loaded late, because some must be loaded on virtual time and others on the real clock.
async function limits(): Promise<void> {
  const { runVariant } = await import('./quota/virtual');
  const { VARIANTS } = await import('./quota/variants');
  const calls = isQuick ? 150 : 500;
  console.log(`${calls} calls of 900 real tokens, 50 at a time, 30,000 tokens per minute; virtual time`);
  const rows: Record<string, string | number>[] = [];
  for (const variant of VARIANTS) {
    const result = await runVariant(variant, calls, 50);
    rows.push({
      variant: variant.name,
      served: result.served,
      'depth needed': Math.round(result.depthNeeded),
      'used, % of rate': percent(result.usedShare),
      'own 429s / 1,000': result.refusedPerMille.toFixed(1),
      minutes: result.minutes.toFixed(1),
    });
  }
  console.table(rows);
}

async function overload(): Promise<void> {
  const { runOverload } = await import('./quota/overload');
  const seconds = isQuick ? 60 : 120;
  console.log(`2.6 times the capacity of four keys for ${seconds} s; virtual time; % in time by priority`);
  const rows: Record<string, string | number>[] = [];
  for (const tokensCharged of ['actual', 'reserved'] as const) {
    for (const headers of isQuick ? [true] : [true, false]) {
      const { calls, inTime, refusedPerMille } = await runOverload(2.6, seconds, { tokensCharged, headers });
      const shares = Object.fromEntries(inTime.map((share, index) => [`p${index + 1}`, percent(share)]));
      rows.push({
        tokensCharged,
        headers: String(headers),
        calls,
        ...shares,
        '429s / 1,000': refusedPerMille.toFixed(1),
      });
    }
  }
  console.table(rows);
}

async function realTime(): Promise<void> {
  const { runRealTime } = await import('./quota/real-time');
  const seconds = isQuick ? 12 : 30;
  console.log(`Over sockets for ${seconds} s, the event loop stalling for 400 ms every 1.1 s`);
  const rows: Record<string, string | number>[] = [];
  const real = { prompt: 700, output: 200 };
  for (const bucketSeconds of [10, 60]) {
    for (const sendsRateLimitHeaders of [true, false]) {
      const upstream = { bucketSeconds, sendsRateLimitHeaders };
      const result = await runRealTime({
        seconds,
        tpm: 300_000,
        real,
        stallMs: 400,
        maxTokens: 200,
        upstream,
      });
      rows.push({
        "provider's bucket, s": bucketSeconds,
        headers: String(sendsRateLimitHeaders),
        calls: result.calls,
        '429s': result.refused,
        'depth needed': Math.round(result.depthNeeded),
        'depth allowed': sendsRateLimitHeaders ? 5_000 * bucketSeconds : 50_000,
      });
    }
  }
  console.table(rows);
}

/** 500 calls of 900 tokens take 15 minutes at 30,000 tokens per minute. */
async function whole(): Promise<void> {
  const { runRealTime } = await import('./quota/real-time');
  console.log('Over sockets for 15 minutes at 30,000 tokens per minute, stalling for 400 ms every 1.1 s');
  const { calls, refused, failed, depthNeeded, usedShare } = await runRealTime({
    seconds: 900,
    tpm: 30_000,
    real: { prompt: 600, output: 300 },
    maxTokens: 300,
    stallMs: 400,
    upstream: { bucketSeconds: 10 },
  });
  const used = percent(usedShare);
  console.table([
    {
      calls,
      '429s': refused,
      failed,
      'depth needed': Math.round(depthNeeded),
      'depth allowed': 5_000,
      'used, % of rate': used,
    },
  ]);
}

async function main(): Promise<void> {
  if (process.argv.includes('--whole')) {
    await whole();
    return;
  }
  if (process.argv.includes('--real-time')) {
    await realTime();
    return;
  }
  await limits();
  await overload();
  // In a child process, because this one is on virtual time.
  spawnSync(process.execPath, [...process.execArgv, __filename, '--real-time', ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
}

void main().then(() => process.exit(0));
