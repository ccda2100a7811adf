import { OthersUse } from './peer-usage';

/** What other processes may hold or have used unseen, in milliseconds of the limit. */
const DOUBT_MS = 500;

/** The other processes of a cluster, as one bucket of a shared quota sees them. Without a cluster there are none. */
export class Company {
  readonly #others = new OthersUse();
  #members = 0;
  #share = 1;

  /** Whether the bucket is one of a cluster's. */
  get isShared(): boolean {
    return this.#members > 0;
  }

  /** The part of limit and depth that is this process's own: 1 while the ledger in Redis has the say. */
  get share(): number {
    return this.#share;
  }

  setMembers(members: number): void {
    this.#members = members;
  }

  setShare(share: number): void {
    this.#share = share;
    this.#others.forget();
  }

  /** @param taken Units that are gone beyond what we reckoned with. */
  observe(taken: number, now: number, limitRate: number): void {
    this.#others.observe(taken, now, limitRate);
  }

  /** Units a millisecond that the others take of that rate. */
  taken(rate: number): number {
    // Whoever reckoned with less than its fair share would ask for less, and leave the rest to those who don't.
    return Math.min(this.#others.rate, (1 - 1 / this.#members) * rate);
  }

  /** Of a difference to the provider's count, what can't be the doing of the other processes. */
  certain(off: number, limitRate: number): number {
    if (this.#members <= 1) return off;
    return Math.sign(off) * Math.max(0, Math.abs(off) - DOUBT_MS * limitRate);
  }

  /** The others see the same headers: each process corrects its part of what is off. */
  part(units: number): number {
    return units / Math.max(1, this.#members);
  }
}
