import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { DayAccounts } from './day-limit/shared-day-limits';
import type { Claims, NewsChannel } from './health-reports/ports';
import { RedisClaims } from './health-reports/redis-lock';
import { RedisNews } from './health-reports/redis-pubsub';
import type { ClusterMode, ClusterOptions, OutageMode } from './options';
import { type ReservoirTerms, SharedReservoir } from './quota-lease/bottleneck-reservoir';
import { commonTerms } from './quota-lease/lease-terms';
import { ledgerKey } from './quota-lease/ledger-key';
import type { LeaseView } from './quota-lease/local-view';
import { LeaseAccount } from './quota-lease/shared-quota';
import { type Beat, GONE_AFTER_MS } from './redis/members';
import { type LinkState, RedisLink } from './redis/redis-link';
import type { SideStore } from './redis/shared-store';

export interface ClusterListeners {
  /** Told how quotas are kept from now on, and why it changed. Must not throw. */
  onMode(mode: ClusterMode, members: number, reason?: string): void;
  /** Something that was waited for may have become free. */
  onRoom(): void;
}

interface Open {
  readonly account: LeaseAccount;
  readonly view: LeaseView;
  own: { readonly limit: number; readonly depthMs: number };
}

/** The terms of the accounts of one member, as it says them to the others. */
type Said = Record<string, [limit: number, depthMs: number, shownMs: number]>;

/** The processes that share one Redis: their quotas, their news, and what happens while Redis is away. */
export class Cluster {
  readonly id = randomBytes(6).toString('base64url');
  readonly news: NewsChannel;
  readonly claims: Claims;
  /** For counts that are no quotas. */
  readonly store: SideStore;
  /** The limits a day. */
  readonly days: DayAccounts;
  readonly #prefix: string;
  readonly #listeners: ClusterListeners;
  readonly #link: RedisLink;
  readonly #accounts = new Map<string, Open>();
  #onOutage: OutageMode;
  #mode: ClusterMode = 'starting';
  #members = 1;
  #upSince = -Infinity;
  #said: readonly Said[] = [];
  #saidNow = '';
  #onReady: (() => void)[] = [];

  constructor(options: Required<ClusterOptions>, listeners: ClusterListeners) {
    this.#listeners = listeners;
    this.#prefix = options.prefix;
    this.#onOutage = options.onOutage;
    this.#link = new RedisLink({
      redis: options.redis,
      prefix: options.prefix,
      id: this.id,
      initialLevels: (id) => this.#accounts.get(id)?.account.initialLevel(),
      says: () => this.#says(),
      onState: (state, reason) => this.#linked(state, reason),
      onBeat: (beat) => this.#beat(beat),
    });
    this.news = new RedisNews(this.#link, `${options.prefix}:{news}`, this.id);
    this.claims = new RedisClaims(this.#link, `${options.prefix}:{claim}`, this.id);
    this.store = storeOf(this.#link, options.prefix);
    this.days = new DayAccounts(this.#link, options.prefix, this.id, () => listeners.onRoom());
  }

  get mode(): ClusterMode {
    return this.#mode;
  }

  /** Processes last seen, this one included. */
  get members(): number {
    return this.#members;
  }

  /** An account for a view. One that is already open under that name is closed. */
  open(name: string, view: LeaseView, own: { limit: number; depthMs: number }): LeaseAccount {
    const id = ledgerKey(this.#prefix, name);
    this.#accounts.get(id)?.account.close();
    const terms = { ...own, shownMs: 0 };
    let held: ReservoirTerms;
    let reservoir: SharedReservoir | undefined;
    const use = <T>(ask: (shared: SharedReservoir) => Promise<T>): Promise<T> =>
      this.#link.ask((connection) => {
        reservoir ??= new SharedReservoir(connection, id, held);
        return ask(reservoir);
      }, reservoir?.isOpen !== true);
    const account = new LeaseAccount(
      view,
      {
        take: (units) => use((shared) => shared.take(units)),
        configure: (next) => {
          held = next;
          return use((shared) => shared.configure(next));
        },
        level: () => use((shared) => shared.level()),
        close: () => {
          reservoir?.close();
          if (this.#accounts.get(id)?.account === account) this.#accounts.delete(id);
        },
      },
      terms,
      () => this.#listeners.onRoom(),
    );
    this.#accounts.set(id, { account, view, own });
    account.configure(terms, this.#members);
    account.setMode(this.#mode, performance.now());
    this.#link.tell();
    return account;
  }

  /** The limit of an open account has changed. */
  configure(name: string, own: { limit: number; depthMs: number }): void {
    const open = this.#accounts.get(ledgerKey(this.#prefix, name));
    if (!open) return;
    open.own = own;
    this.#agree();
    this.#link.tell();
  }

  setOnOutage(onOutage: OutageMode): void {
    this.#onOutage = onOutage;
    if (this.#mode !== 'shared' && this.#mode !== 'starting') this.#setMode(onOutage);
  }

  /** Resolves when Redis has answered, or is known to be away. Rejects where it can never answer. */
  async ready(): Promise<void> {
    await this.#link.opened;
    if (this.#mode !== 'starting') return;
    await new Promise<void>((resolve) => this.#onReady.push(resolve));
  }

  async close(): Promise<void> {
    for (const { account } of this.#accounts.values()) account.close();
    this.#accounts.clear();
    this.days.close();
    for (const resolve of this.#onReady.splice(0)) resolve();
    await this.#link.close();
  }

  #linked(state: LinkState, reason: string | undefined): void {
    if (state === 'connecting') return;
    if (state === 'up') this.#upSince = performance.now();
    this.#setMode(state === 'up' ? 'shared' : this.#onOutage, reason);
    const waiting = this.#onReady.splice(0);
    if (waiting.length > 0) void this.#firstAnswers().then(() => waiting.forEach((resolve) => resolve()));
  }

  /** Every ledger has told its level, or Redis is away again. */
  async #firstAnswers(): Promise<void> {
    const answers = [...this.#accounts.values()].map(({ account }) => account.answered);
    await Promise.all([...answers, this.days.answered()]);
  }

  #setMode(mode: ClusterMode, reason?: string): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    const now = performance.now();
    for (const { account } of this.#accounts.values()) account.setMode(mode, now);
    this.days.setMode(mode);
    this.#listeners.onMode(mode, this.#members, reason);
    this.#listeners.onRoom();
  }

  #beat({ count, said }: Beat): void {
    // A Redis that has lost everything hears of the others within seconds: until then they count as they did.
    const isRecent = this.#mode !== 'shared' || performance.now() - this.#upSince < GONE_AFTER_MS;
    const members = isRecent ? Math.max(count, this.#members) : count;
    const hasChanged = said !== undefined || members !== this.#members;
    this.#members = members;
    this.days.setMembers(members);
    if (said) this.#said = said.map(parse).filter((terms) => terms !== undefined);
    if (hasChanged || this.#saidNow !== this.#says()) this.#agree();
  }

  /** Every account on the terms that all members can bear. */
  #agree(): void {
    this.#saidNow = this.#says();
    for (const [id, { account, view, own }] of this.#accounts) {
      const others = this.#said.flatMap((said) => {
        const terms = said[id];
        if (!terms) return [];
        const [limit, depthMs, shownMs] = terms;
        return limit > 0 && depthMs > 0 ? [{ limit, depthMs, shownMs }] : [];
      });
      const terms = commonTerms([...others, { ...own, shownMs: view.observedDepthMs }]);
      account.configure(terms, this.#members);
    }
  }

  #says(): string {
    const said: Said = {};
    for (const [id, { view, own }] of this.#accounts) {
      said[id] = [own.limit, own.depthMs, Math.round(view.observedDepthMs)];
    }
    return JSON.stringify(said);
  }
}

function storeOf(link: RedisLink, prefix: string): SideStore {
  return {
    prefix,
    get state() {
      return link.isClosed || link.state === 'connecting' ? 'idle' : link.state;
    },
    ask: (question) => link.askInTime(question),
  };
}

/** Whether both mean the same processes. */
export function isSameCluster(a: ClusterOptions | undefined, b: ClusterOptions | undefined): boolean {
  if (!a || !b) return a === b;
  return a.prefix === b.prefix && (a.redis === b.redis || isDeepStrictEqual(a.redis, b.redis));
}

/** What another member has said, which may be of another version, or no member of ours. */
function parse(text: string): Said | undefined {
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said !== 'object' || said === null) return undefined;
    const isTerms = (terms: unknown): boolean =>
      Array.isArray(terms) && terms.length === 3 && terms.every((part) => Number.isFinite(part) && part >= 0);
    return Object.values(said).every(isTerms) ? (said as Said) : undefined;
  } catch {
    return undefined;
  }
}
