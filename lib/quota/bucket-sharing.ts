import { PeerUsage } from './peer-usage';

/** What other processes may hold or have used unseen, in milliseconds of the limit. */
const PEER_UNCERTAINTY_MS = 500;

/** The other processes of a cluster, as one bucket of a shared quota sees them. Without a cluster there are none. */
export class BucketSharing {
  readonly #peerUsage = new PeerUsage();
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
    this.#peerUsage.reset();
  }

  /** @param peerRate Units that are gone beyond what we reckoned with. */
  observe(peerRate: number, now: number, limitRate: number): void {
    this.#peerUsage.observe(peerRate, now, limitRate);
  }

  /** Units a millisecond that the others take of that rate. */
  peerRate(rate: number): number {
    // Whoever reckoned with less than its fair share would ask for less, and leave the rest to those who don't.
    return Math.min(this.#peerUsage.rate, (1 - 1 / this.#members) * rate);
  }

  /** Of a difference to the provider's count, what can't be the doing of the other processes. */
  withoutPeerUsage(off: number, limitRate: number): number {
    if (this.#members <= 1) return off;
    return Math.sign(off) * Math.max(0, Math.abs(off) - PEER_UNCERTAINTY_MS * limitRate);
  }

  /** The others see the same headers: each process corrects its part of what is off. */
  ownCorrection(units: number): number {
    return units / Math.max(1, this.#members);
  }
}
