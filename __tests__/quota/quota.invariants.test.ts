import fc from 'fast-check';
import type { Cost } from '../../lib/quota/cost';
import { DayBucket } from '../../lib/quota/day-bucket';
import { Quota } from '../../lib/quota/quota';
import { Reservation, type Settlement } from '../../lib/quota/reservation';

const LIMITS = { rpm: 120, tpm: 12_000 };
const BURST = 10;
/** The depth holds BURST seconds of 98 % of the limit: that share is handed out. */
const DEPTH = { requests: (120 * 0.98 * BURST) / 60, tokens: (12_000 * 0.98 * BURST) / 60 };
const RATE = { requests: (120 * 0.98) / 60_000, tokens: (12_000 * 0.98) / 60_000 };
const ROUNDING = 1e-6;

type Step =
  | { do: 'wait'; ms: number }
  | { do: 'take'; input: number; output: number }
  | { do: 'settle'; which: number; kind: Settlement['kind']; input: number; output: number }
  | { do: 'correct'; which: number; requests: number; tokens: number; limit: number }
  | { do: 'refuse' };

const tokens = fc.integer({ min: 0, max: 3_000 });
const waiting = fc.record({
  do: fc.constant('wait' as const),
  ms: fc.double({ min: 0, max: 20_000, noNaN: true }),
});
const taking = fc.record({ do: fc.constant('take' as const), input: tokens, output: tokens });
const settling = fc.record({
  do: fc.constant('settle' as const),
  which: fc.nat(),
  kind: fc.constantFrom('used' as const, 'returned' as const, 'kept' as const),
  input: tokens,
  output: tokens,
});
const correcting = fc.record({
  do: fc.constant('correct' as const),
  which: fc.nat(),
  requests: fc.double({ min: 0, max: 1e6, noNaN: true }),
  tokens: fc.double({ min: 0, max: 1e9, noNaN: true }),
  limit: fc.integer({ min: 1, max: 1e7 }),
});
const refusing = fc.constant({ do: 'refuse' as const });

/** Units admitted at one moment; negative if they were returned. */
interface Booking {
  readonly at: number;
  readonly requests: number;
  readonly tokens: number;
}

/** Executes the steps of a schedule as the balancer would: takes a cost only if it fits. */
class Schedule {
  readonly quota = new Quota('test', LIMITS, BURST);
  readonly open: Reservation[] = [];
  readonly settled: Reservation[] = [];
  readonly bookings: Booking[] = [];

  play(step: Step): void {
    const now = performance.now();
    if (step.do === 'wait') jest.advanceTimersByTime(step.ms);
    else if (step.do === 'take') this.#take({ input: step.input, output: step.output }, now);
    else if (step.do === 'refuse') this.quota.recordRefusal({}, now);
    else if (step.do === 'settle') this.#settle(step, now);
    else {
      const reservation = this.open[step.which % Math.max(1, this.open.length)];
      const tokens = { limit: step.limit, remaining: step.tokens };
      reservation?.correct({ requests: { remaining: step.requests }, tokens }, now);
    }
  }

  #take(cost: Cost, now: number): void {
    if (this.quota.waitMs(cost, now) > 0) return;
    this.open.push(new Reservation([this.quota], cost, () => false, now));
    this.bookings.push({ at: now, requests: 1, tokens: cost.input + cost.output });
  }

  #settle({ which, kind, input, output }: Step & { do: 'settle' }, now: number): void {
    const [reservation] = this.open.splice(which % Math.max(1, this.open.length), 1);
    if (!reservation) return;
    const before = { requests: this.quota.requestsLeft(now), tokens: this.quota.tokensLeft(now) };
    // Capped at what was reserved: usage above the estimate is a debt, not an admission.
    const usage = {
      input: Math.min(input, reservation.cost.input),
      output: Math.min(output, reservation.cost.output),
    };
    reservation.settle(kind === 'used' ? { kind, usage } : { kind }, now);
    this.settled.push(reservation);
    const back = kind === 'used' ? usage : kind === 'kept' ? reservation.cost : { input: 0, output: 0 };
    const tokens = reservation.cost.input + reservation.cost.output - back.input - back.output;
    this.bookings.push({ at: now, requests: kind === 'returned' ? -1 : 0, tokens: -tokens });
    expect(this.quota.requestsLeft(now)).toBeGreaterThanOrEqual(before.requests ?? 0);
    expect(this.quota.tokensLeft(now)).toBeGreaterThanOrEqual(before.tokens ?? 0);
  }
}

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('Quota under a random schedule', () => {
  it('admits at most depth + rate * t in any window of length t, net of returned units', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 3, arbitrary: taking }, waiting, settling), { maxLength: 80 }),
        (steps) => {
          const schedule = new Schedule();
          for (const step of steps) schedule.play(step);
          expectBounded(schedule.bookings, 'requests');
          expectBounded(schedule.bookings, 'tokens');
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has levels that are never NaN and never above the depth, whatever headers and refusals report', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(taking, waiting, settling, correcting, refusing), { maxLength: 60 }),
        (steps) => {
          const schedule = new Schedule();
          const { quota } = schedule;
          for (const step of steps) {
            schedule.play(step);
            const now = performance.now();
            for (const left of [quota.requestsLeft(now), quota.tokensLeft(now)]) expect(left).not.toBeNaN();
            // A header may raise the depth to one minute of the limit, but never beyond.
            expect(quota.requestsLeft(now)).toBeLessThanOrEqual(120);
            expect(quota.tokensLeft(now)).toBeLessThanOrEqual(12_000);
            expect(quota.waitMs({ input: 1, output: 1 }, now)).toBeGreaterThanOrEqual(0);
            expect(quota.usedShare(now)).toBeGreaterThanOrEqual(0);
            expect(quota.usedShare(now)).toBeLessThanOrEqual(1);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('settles each reservation once: a second settlement changes nothing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(taking, settling, waiting), { maxLength: 40 }),
        settling,
        (steps, again) => {
          const schedule = new Schedule();
          for (const step of steps) schedule.play(step);
          const now = performance.now();
          const levels = () => [schedule.quota.requestsLeft(now), schedule.quota.tokensLeft(now)];
          const before = levels();
          for (const reservation of schedule.settled) {
            const { kind, input, output } = again;
            reservation.settle(kind === 'used' ? { kind, usage: { input, output } } : { kind }, now);
          }
          expect(levels()).toEqual(before);
        },
      ),
    );
  });

  it('has a full bucket after all reservations were returned', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(taking, waiting), { maxLength: 40 }), (steps) => {
        const schedule = new Schedule();
        const { quota } = schedule;
        for (const step of steps) schedule.play(step);
        for (const reservation of schedule.open) reservation.settle({ kind: 'returned' }, performance.now());
        expect(quota.requestsLeft(performance.now())).toBe(Math.floor(DEPTH.requests));
        expect(quota.tokensLeft(performance.now())).toBe(DEPTH.tokens);
      }),
    );
  });

  it('never exceeds a limit per day in any 24 hours', () => {
    const DAY_MS = 24 * 3_600_000;
    const step = fc.record({
      afterMs: fc.oneof(fc.integer({ min: 0, max: 120_000 }), fc.integer({ min: 0, max: 5 * 3_600_000 })),
      units: fc.integer({ min: 1, max: 60 }),
      heldMs: fc.integer({ min: 0, max: 600_000 }),
      backShare: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        jest.setSystemTime(0);
        const window = new DayBucket(100);
        const start = performance.now();
        let now = start;
        const admitted: { at: number; units: number; back: number; backAt: number }[] = [];
        const giveBack = (until: number): void => {
          for (const one of admitted) {
            if (one.backAt > until) continue;
            window.put(one.back, one.backAt, one.at);
            one.units -= one.back;
            one.backAt = Infinity;
          }
        };
        for (const { afterMs, units, heldMs, backShare } of steps) {
          giveBack(now + afterMs);
          now += afterMs;
          if (window.waitMs(units, now) > 0) continue;
          window.take(units, now);
          admitted.push({ at: now, units, back: Math.floor(units * backShare), backAt: now + heldMs });
          const recent = admitted.filter(({ at }) => at > now - DAY_MS);
          expect(recent.reduce((sum, one) => sum + one.units, 0)).toBeLessThanOrEqual(100);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Checks every window between two bookings. A call larger than the depth may exceed it by its own size. */
function expectBounded(bookings: readonly Booking[], unit: 'requests' | 'tokens'): void {
  for (let first = 0; first < bookings.length; first++) {
    let net = 0;
    let depth = DEPTH[unit];
    for (let last = first; last < bookings.length; last++) {
      const { at, [unit]: units } = bookings[last]!;
      net += units;
      depth = Math.max(depth, units);
      expect(net).toBeLessThanOrEqual(depth + RATE[unit] * (at - bookings[first]!.at) + ROUNDING);
    }
  }
}
