import { startTimer, type Timer } from '../../util/timers';
import type { ClusterMode } from '../options';
import { GrantRequest } from '../quota-lease/grant-request';
import { CLOSED_RETRY_MS, FLUSH_MS } from '../quota-lease/lease-times';
import { DayPace } from './claim-ahead';
import { type DayNews, DayTalk } from './day-client';
import type { DayAnswer, DayLedger } from './day-script';
import { HOUR_MS, HourlyCounts, msUntilFreed } from './hourly-counts';

/** Units in hand that nobody has used for so long go back. */
const IDLE_MS = 1_000;
/** After an outage the process lives on its share so much longer, until all have told what they used. */
const REJOIN_MS = 1_000;
/** Where the day is used up, the count is looked at again after so long, since others may have given back. */
const STALE_MS = 1_000;

/**
 * A limit a day that many processes share. What a process uses it has claimed from the count in Redis before, for the
 * hour in which it uses it; a claim is what the call needs and, where there is plenty, what the process needs in half a
 * second. So all processes together stay within the limit in any 24 hours, but for usage above the estimate.
 */
export class SharedDayLimit {
  readonly #talk: DayTalk;
  readonly #onRoom: () => void;
  readonly #pace = new DayPace();
  /** The count in Redis as last heard, what this process has in hand included. */
  readonly #heard = new HourlyCounts();
  /** Used without asking, or given back where negative; not told. */
  readonly #changes = new HourlyCounts();
  #limit: number;
  #mode: ClusterMode = 'starting';
  #members = 1;
  #heardAt = -Infinity;
  #isClosing = false;
  /** Claimed and not used, and the hour for which. */
  #credit = 0;
  #creditHour = 0;
  #usedAt = -Infinity;
  #holds: GrantRequest[] = [];
  #timer: Timer | undefined;
  #rejoin: Timer | undefined;
  #onAnswer: () => void = () => undefined;
  /** Resolves when the count has been heard, or can't be. */
  readonly ready = new Promise<void>((resolve) => {
    this.#onAnswer = resolve;
  });

  /** @param onRoom Told when there is more than there was. */
  constructor(ledger: DayLedger, limit: number, onRoom: () => void = () => undefined) {
    this.#talk = new DayTalk(ledger);
    this.#limit = limit;
    this.#onRoom = onRoom;
  }

  get limit(): number {
    return this.#limit;
  }

  set limit(limit: number) {
    this.#limit = limit;
  }

  left(now: number): number {
    const nowMs = this.#clock(now);
    const hour = Math.floor(nowMs / HOUR_MS);
    this.#expire(hour);
    const part = Math.floor(this.#share * (this.#whole - this.#heard.sum(hour)));
    return part - this.#talk.sent.sum(hour) - this.#changes.sum(hour) + this.#credit;
  }

  waitMs(units: number, now: number): number {
    if (this.#mode === 'closed') return CLOSED_RETRY_MS;
    const missing = Math.ceil(units) - this.left(now);
    if (missing <= 0) return 0;
    if (!this.#isLocal && now - this.#heardAt > STALE_MS) void this.#ask();
    const at = (hour: number): number =>
      this.#share * this.#heard.at(hour) + this.#talk.sent.at(hour) + this.#changes.at(hour);
    return msUntilFreed(missing, at, this.#clock(now));
  }

  take(units: number, now: number): GrantRequest | undefined {
    const whole = Math.ceil(units);
    const hour = this.#hour(now);
    this.#usedAt = now;
    if (this.#isLocal) {
      this.#changes.add(hour, whole);
      return undefined;
    }
    this.#expire(hour);
    this.#pace.used(whole);
    if (this.#holds.length === 0 && this.#credit >= whole) {
      this.#credit -= whole;
      if (this.#pace.isDue(this.#credit, now)) void this.#ask();
      this.#touch();
      return undefined;
    }
    const hold = new GrantRequest(whole, this.#cancel);
    this.#holds.push(hold);
    // All that start in one turn ask together.
    if (this.#holds.length === 1) queueMicrotask(() => void this.#ask());
    return hold;
  }

  put(units: number, now: number, takenAt: number): void {
    const whole = Math.floor(units);
    const hour = this.#hour(now);
    this.#expire(hour);
    const takenIn = this.#hour(takenAt);
    if (!this.#isLocal && takenIn === hour && this.#creditHour === hour) this.#credit += whole;
    else this.#changes.add(takenIn, -whole);
    this.#serve();
    this.#touch();
  }

  overdraw(units: number, now: number): void {
    this.#changes.add(this.#hour(now), Math.ceil(units));
    this.#touch();
  }

  setMembers(members: number): void {
    this.#members = Math.max(1, members);
  }

  /** What another process has told of the count. */
  told(hour: number, sum: number): void {
    const present = this.#hour(performance.now());
    const more = sum - this.#heard.sum(present);
    if (hour === present && more > 0) this.#heard.add(hour, more);
  }

  setMode(mode: ClusterMode): void {
    if (mode === this.#mode) return;
    const wasLocal = this.#isLocal;
    this.#mode = mode;
    clearTimeout(this.#rejoin);
    this.#rejoin = undefined;
    if (mode !== 'shared') {
      if (!wasLocal) this.#goLocal();
      return;
    }
    if (wasLocal) {
      this.#rejoin = startTimer(() => {
        this.#rejoin = undefined;
        this.#touch();
        this.#onRoom();
      }, REJOIN_MS).unref();
    }
    void this.#ask();
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#rejoin);
    this.#isClosing = true;
    this.#giveBack();
    for (const hold of this.#holds.splice(0)) hold.decide(false);
    if (!this.#changes.isEmpty) void this.#ask();
    this.#onAnswer();
  }

  get #whole(): number {
    return Math.min(Number.MAX_SAFE_INTEGER, Math.floor(this.#limit));
  }

  get #isLocal(): boolean {
    return (this.#mode !== 'shared' && this.#mode !== 'starting') || this.#rejoin !== undefined;
  }

  /** Of what Redis held, this part is the process's own. */
  get #share(): number {
    const isDivided = this.#isLocal && this.#mode !== 'open';
    return isDivided ? 1 / this.#members : 1;
  }

  get #waiting(): number {
    return this.#holds.reduce((sum, { units }) => sum + units, 0);
  }

  #clock(now: number): number {
    return this.#talk.now() + now - performance.now();
  }

  #hour(now: number): number {
    return Math.floor(this.#clock(now) / HOUR_MS);
  }

  /** What was claimed for an hour is not used in the next: it would leave the count too early. */
  #expire(hour: number): void {
    if (this.#credit > 0 && this.#creditHour < hour) this.#giveBack();
  }

  #giveBack(): void {
    this.#changes.add(this.#creditHour, -this.#credit);
    this.#credit = 0;
  }

  readonly #cancel = (hold: GrantRequest): void => {
    this.#holds = this.#holds.filter((other) => other !== hold);
    hold.decide(false);
  };

  #serve(): void {
    for (let hold = this.#holds[0]; hold && this.#credit >= hold.units; hold = this.#holds[0]) {
      this.#credit -= hold.units;
      this.#holds.shift();
      hold.decide(true);
    }
  }

  /** Tells what has changed and claims what is waited for: in one step, one at a time. */
  async #ask(): Promise<void> {
    if (this.#talk.isAsking || this.#mode !== 'shared') return;
    const asked = new Set(this.#holds);
    const before = this.left(performance.now());
    const isFirst = !this.#talk.hasHeard;
    const answer = await this.#talk.ask(
      () => this.#news(),
      () => this.#heard.entries(),
    );
    if (answer === undefined) return;
    if (answer !== 'lost') {
      // The process's own hours may have been others.
      if (isFirst) this.#changes.replace([[answer.hour, this.#changes.total]]);
      this.#hear(answer);
      this.#refuse(asked);
    }
    if (this.#isClosing) {
      this.#giveBack();
      if (answer !== 'lost' && !this.#changes.isEmpty) void this.#ask();
      return;
    }
    this.#touch();
    if (this.left(performance.now()) > before) this.#onRoom();
  }

  #news(): DayNews {
    const now = performance.now();
    this.#expire(this.#hour(now));
    const isClaiming = !this.#isLocal && !this.#isClosing;
    const isUsed = isClaiming && now - this.#usedAt < IDLE_MS;
    return {
      limit: this.#whole,
      least: isClaiming ? Math.max(0, (this.#holds[0]?.units ?? 0) - this.#credit) : 0,
      need: isClaiming ? Math.max(0, this.#waiting - this.#credit) : 0,
      extra: this.#pace.extra(isUsed ? this.#whole / 100 / this.#members : 0, this.#credit, now),
      members: this.#members,
      changes: this.#changes.drain(),
    };
  }

  #hear({ hour, granted, grantedIn, counts }: DayAnswer): void {
    this.#heardAt = performance.now();
    this.#heard.replace(counts);
    if (granted > 0) {
      this.#expire(grantedIn);
      // An answer that comes late may be of an hour that is over.
      if (grantedIn < this.#creditHour) this.#changes.add(grantedIn, -granted);
      else {
        this.#credit += granted;
        this.#creditHour = grantedIn;
      }
    }
    this.#expire(Math.max(hour, this.#hour(this.#heardAt)));
    this.#onAnswer();
    this.#serve();
  }

  #refuse(asked: ReadonlySet<GrantRequest>): void {
    const late = this.#holds.filter((hold) => asked.has(hold));
    this.#holds = this.#holds.filter((hold) => !asked.has(hold));
    for (const hold of late) hold.decide(false);
    if (this.#holds.length > 0) queueMicrotask(() => void this.#ask());
  }

  #touch(): void {
    const isDue = this.#credit > 0 || !this.#changes.isEmpty || this.#talk.isOpen || this.#holds.length > 0;
    if (this.#mode !== 'shared' || this.#isClosing || !isDue) return;
    this.#timer ??= startTimer(() => {
      this.#timer = undefined;
      const isIdle = performance.now() - this.#usedAt >= IDLE_MS;
      if (this.#holds.length === 0 && (isIdle || this.#isLocal)) this.#giveBack();
      if (!this.#changes.isEmpty || this.#talk.isOpen || this.#holds.length > 0) void this.#ask();
      this.#touch();
    }, FLUSH_MS).unref();
  }

  /** Redis is away: what is left is divided among the members last seen, and each goes on with its part. */
  #goLocal(): void {
    this.#talk.abandon();
    this.#onAnswer();
    this.#giveBack();
    const now = performance.now();
    for (const hold of this.#holds.splice(0)) {
      const isGranted = this.#mode !== 'closed' && this.left(now) >= hold.units;
      if (isGranted) this.#changes.add(this.#hour(now), hold.units);
      hold.decide(isGranted);
    }
  }
}
