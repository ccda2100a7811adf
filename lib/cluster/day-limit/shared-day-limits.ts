import { RedisPubSub } from '../health-reports/redis-pubsub';
import type { ClusterMode } from '../options';
import { limiterKey } from '../quota-lease/ledger-key';
import type { RedisLink } from '../redis/redis-link';
import { redisDayLedger } from './day-script';
import { SharedDayLimit } from './shared-day-limit';

/** `<count> <hour> <sum>` */
const TOLD = /^(\S+) (\d{1,9}) (\d{1,16})$/;

/** The limits a day of one process of a cluster. */
export class SharedDayLimits {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #id: string;
  readonly #onRoom: () => void;
  readonly #accounts = new Map<string, SharedDayLimit>();
  readonly #channel: string;
  #opened = 0;
  #mode: ClusterMode = 'starting';
  #members = 1;

  constructor(link: RedisLink, prefix: string, id: string, onRoom: () => void) {
    this.#link = link;
    this.#prefix = prefix;
    this.#id = id;
    this.#onRoom = onRoom;
    this.#channel = `${prefix}:{days}`;
  }

  /** An account of the limit of that name. One that is open already is closed. */
  open(name: string, limit: number): SharedDayLimit {
    if (this.#opened === 0) this.#listen();
    const count = limiterKey(this.#prefix, name);
    this.#accounts.get(count)?.close();
    const member = `${this.#id}-${++this.#opened}`;
    const ledger = redisDayLedger(this.#link, { count, channel: this.#channel, member });
    const account = new SharedDayLimit(ledger, limit, this.#onRoom);
    this.#accounts.set(count, account);
    account.setMembers(this.#members);
    account.setMode(this.#mode);
    return account;
  }

  setMembers(members: number): void {
    this.#members = members;
    for (const account of this.#accounts.values()) account.setMembers(members);
  }

  setMode(mode: ClusterMode): void {
    this.#mode = mode;
    for (const account of this.#accounts.values()) account.setMode(mode);
  }

  /** Resolves when every count has been heard, or can't be. */
  async ready(): Promise<void> {
    await Promise.all([...this.#accounts.values()].map((account) => account.ready));
  }

  close(): void {
    for (const account of this.#accounts.values()) account.close();
    this.#accounts.clear();
  }

  #listen(): void {
    new RedisPubSub(this.#link, this.#channel, this.#id).subscribe((text) => {
      const [, count = '', hour, sum] = TOLD.exec(text) ?? [];
      this.#accounts.get(count)?.told(Number(hour), Number(sum));
    });
  }
}
