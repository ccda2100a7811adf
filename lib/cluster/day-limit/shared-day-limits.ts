import type { ClusterMode } from '../options';
import { limiterKey } from '../quota-lease/ledger-key';
import { RedisPubSub } from '../redis/pub-sub';
import type { RedisLink } from '../redis/redis-link';
import { redisDayCounter } from './day-counter';
import { SharedDayLimit } from './shared-day-limit';

/** `<totals key> <hour> <sum>` */
const PUBLISHED_TOTAL = /^(\S+) (\d{1,9}) (\d{1,16})$/;

export interface SharedDayLimitsParts {
  readonly link: RedisLink;
  readonly prefix: string;
  /** This process. */
  readonly id: string;
  readonly onCapacity: () => void;
}

/** The day limits of this process. */
export class SharedDayLimits {
  readonly #parts: SharedDayLimitsParts;
  readonly #limits = new Map<string, SharedDayLimit>();
  readonly #channel: string;
  #openedCount = 0;
  #mode: ClusterMode = 'starting';
  #members = 1;

  constructor(parts: SharedDayLimitsParts) {
    this.#parts = parts;
    this.#channel = `${parts.prefix}:{days}`;
  }

  /** Opens the limit of that name. One that is open already is closed. */
  open(name: string, limit: number): SharedDayLimit {
    const { link, prefix, id, onCapacity } = this.#parts;
    if (this.#openedCount === 0) this.#subscribe();
    const key = limiterKey(prefix, name);
    this.#limits.get(key)?.close();
    const member = `${id}-${++this.#openedCount}`;
    const counter = redisDayCounter(link, { totals: key, channel: this.#channel, member });
    const opened = new SharedDayLimit(counter, limit, onCapacity);
    this.#limits.set(key, opened);
    opened.setMembers(this.#members);
    opened.setMode(this.#mode);
    return opened;
  }

  setMembers(members: number): void {
    this.#members = members;
    for (const limit of this.#limits.values()) limit.setMembers(members);
  }

  setMode(mode: ClusterMode): void {
    this.#mode = mode;
    for (const limit of this.#limits.values()) limit.setMode(mode);
  }

  async ready(): Promise<void> {
    await Promise.all([...this.#limits.values()].map((limit) => limit.ready));
  }

  close(): void {
    for (const limit of this.#limits.values()) limit.close();
    this.#limits.clear();
  }

  #subscribe(): void {
    new RedisPubSub(this.#parts.link, this.#channel).subscribe((text) => {
      const [, key = '', hour, sum] = PUBLISHED_TOTAL.exec(text) ?? [];
      this.#limits.get(key)?.onPublishedTotal(Number(hour), Number(sum));
    });
  }
}
