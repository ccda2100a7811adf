import { VARIANTS } from './quota/variants';
import { runVariant } from './quota/virtual';

async function main(): Promise<void> {
  const rows: Record<string, unknown>[] = [];
  const only = process.argv[2];
  for (const variant of VARIANTS) {
    if (only && !variant.name.includes(only)) continue;
    const result = await runVariant(variant, 500, 50);
    const { refusedPerMille, depthNeeded, usedShare, errors, minutes, ...rest } = result;
    rows.push({
      ...rest,
      depth: Math.round(depthNeeded),
      'used %': (usedShare * 100).toFixed(1),
      '429/1000': refusedPerMille.toFixed(1),
      minutes: minutes.toFixed(2),
      errors: JSON.stringify(errors),
    });
  }
  console.table(rows);
  process.exit(0);
}
void main();
