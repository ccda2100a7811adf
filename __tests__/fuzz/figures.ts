import { until } from '../helpers/async';

/** No call of the tests can cause a larger figure; a Unix time in milliseconds is below it. */
const LARGEST = 1e15;

/** Throws unless every number in a report, error or statistics is finite, plausible and not negative. */
export function expectPlausible(value: unknown, path: string): void {
  if (typeof value === 'number') {
    if (!(value >= 0 && value <= LARGEST)) throw new Error(`${path} is ${value}`);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) expectPlausible(inner, `${path}.${key}`);
  }
}

/** Throws unless every attempt has ended, every quota reservation is settled, and no call waits. */
export async function expectNothingOpen(): Promise<void> {
  const { openSlots } = globalThis as unknown as { openSlots(): string[] };
  // Aborted attempts end a moment after their call.
  await until(() => openSlots().length === 0).catch(() => undefined);
  expect(openSlots()).toEqual([]);
}
