import type { Period } from '../../lib/budget/options';
import { createWindow } from '../../lib/budget/window';

const HOUR_MS = 3_600_000;

function calendar(period: Period, timeZone: string, at: string) {
  const window = createWindow(period, { timeZone, window: 'calendar' });
  const start = window.bucketAt(Date.parse(at));
  return [new Date(start).toISOString(), new Date(window.leavesAt(start)).toISOString()];
}

it('A calendar budget knows when an earlier period has ended', () => {
  const window = createWindow('day', { timeZone: 'UTC', window: 'calendar' });
  const today = window.bucketAt(Date.parse('2026-11-27T09:41:00Z'));
  const yesterday = window.bucketAt(today - 1);
  expect(window.leavesAt(yesterday)).toBe(today);
});

describe('A calendar budget', () => {
  it.each<[Period, string, string, string, string]>([
    ['hour', 'UTC', '2026-11-27T09:41:00Z', '2026-11-27T09:00:00.000Z', '2026-11-27T10:00:00.000Z'],
    ['hour', 'Asia/Kolkata', '2026-11-27T09:41:00Z', '2026-11-27T09:30:00.000Z', '2026-11-27T10:30:00.000Z'],
    ['day', 'UTC', '2026-11-27T23:59:59.999Z', '2026-11-27T00:00:00.000Z', '2026-11-28T00:00:00.000Z'],
    ['day', 'Asia/Seoul', '2026-11-27T16:00:00Z', '2026-11-27T15:00:00.000Z', '2026-11-28T15:00:00.000Z'],
    ['month', 'UTC', '2026-12-31T23:00:00Z', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['month', 'Asia/Seoul', '2026-11-30T15:00:00Z', '2026-11-30T15:00:00.000Z', '2026-12-31T15:00:00.000Z'],
    // The day on which clocks go forward has 23 hours, the one on which they go back has 25.
    [
      'day',
      'America/New_York',
      '2026-03-08T12:00:00Z',
      '2026-03-08T05:00:00.000Z',
      '2026-03-09T04:00:00.000Z',
    ],
    [
      'day',
      'America/New_York',
      '2026-11-01T12:00:00Z',
      '2026-11-01T04:00:00.000Z',
      '2026-11-02T05:00:00.000Z',
    ],
    // Clocks go forward at midnight, so the day begins at one o'clock.
    ['day', 'Africa/Cairo', '2026-04-24T12:00:00Z', '2026-04-23T22:00:00.000Z', '2026-04-24T21:00:00.000Z'],
  ])('per %s in %s, at %s, counts what was spent from %s to %s', (period, zone, at, start, end) => {
    expect(calendar(period, zone, at)).toEqual([start, end]);
  });

  it('has periods without gaps or overlaps over a year with daylight saving time', () => {
    for (const period of ['day', 'month'] as const) {
      const window = createWindow(period, { timeZone: 'America/New_York', window: 'calendar' });
      const first = window.bucketAt(Date.parse('2026-01-01T12:00:00Z'));
      for (let start = first; start < first + 400 * 24 * HOUR_MS; start = window.leavesAt(start)) {
        expect(window.bucketAt(start)).toBe(start);
        expect(window.bucketAt(window.leavesAt(start) - 1)).toBe(start);
      }
    }
  });

  it('finds the right period for an earlier time after a later one', () => {
    const window = createWindow('hour', { timeZone: 'UTC', window: 'calendar' });
    window.bucketAt(10 * HOUR_MS);
    expect(window.bucketAt(9 * HOUR_MS + 5)).toBe(9 * HOUR_MS);
    expect(window.bucketAt(10 * HOUR_MS + 5)).toBe(10 * HOUR_MS);
  });
});

describe('A rolling budget', () => {
  it.each<[Period, number]>([
    ['hour', HOUR_MS],
    ['day', 24 * HOUR_MS],
    ['month', 30 * 24 * HOUR_MS],
  ])('per %s counts what was spent for at least that long', (period, length) => {
    const window = createWindow(period, { timeZone: 'UTC', window: 'rolling' });
    for (const at of [0, 1, 299_999, 300_000, 12_345_678_901]) {
      const bucket = window.bucketAt(at);
      expect(bucket).toBeLessThanOrEqual(at);
      expect(window.leavesAt(bucket)).toBeGreaterThan(at + length);
      expect(window.oldestAt(window.leavesAt(bucket) - 1)).toBeLessThanOrEqual(bucket);
      expect(window.oldestAt(window.leavesAt(bucket))).toBeGreaterThan(bucket);
    }
  });
});
