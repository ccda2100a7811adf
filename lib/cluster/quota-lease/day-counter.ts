import { numberPairs, redisScript } from '../../util/redis';
import type { RedisLink } from '../redis/redis-link';
import type { Reservoir } from './ports';

type Hours = readonly (readonly [hour: number, units: number])[];

/** Lifetime of the keys in milliseconds. The units of an hour count for up to 25 hours. */
const KEY_TTL_MS = 26 * 3_600_000;
/**
 * Maximum number of commands without a reply that are remembered, to undo them. Beyond it the oldest are forgotten, and
 * stay counted if Redis ran them.
 */
const MAX_UNANSWERED = 100;

/**
 * Counts units in an hour and returns what is left of the limit, and the totals by hour, in one step. KEYS[1] contains
 * the totals, KEYS[2] the number of the process's last command. A command without a reply is undone if it was counted,
 * because the process counts its units again. If Redis has lost the counter or has restored an older one, each process
 * restores the totals that it knew. Numbers are formatted, because Lua would shorten large ones to 1e+15.
 */
const runScript = redisScript<[left: string, totals: string[]]>(
  'aiBalancerDayCounter',
  2,
  `
local limit, ttl, number, acknowledged = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local hour, units, unanswered = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local now = math.floor(redis.call('TIME')[1] / 3600)
local totals, sum, flat = {}, 0, redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  local at = tonumber(flat[i]) or 0
  if at < now - 24 then
    redis.call('HDEL', KEYS[1], flat[i])
  else
    totals[at] = tonumber(flat[i + 1])
    sum = sum + totals[at]
  end
end
local function add(at, change)
  local total = totals[at] or 0
  change = math.max(change, -total)
  if change == 0 or at < now - 24 then return end
  totals[at], sum = total + change, sum + change
  redis.call('HSET', KEYS[1], string.format('%.0f', at), string.format('%.0f', totals[at]))
end
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local at = 8
for i = 1, unanswered do
  local is_counted = last >= tonumber(ARGV[at]) and last < tonumber(ARGV[at + 1])
  if is_counted then add(tonumber(ARGV[at + 2]), -tonumber(ARGV[at + 3])) end
  at = at + 4
end
if acknowledged > 0 and (last < acknowledged or #flat == 0) then
  for i = at, #ARGV, 2 do
    local known = tonumber(ARGV[i])
    add(known, math.max(0, tonumber(ARGV[i + 1]) - (totals[known] or 0)))
  end
end
add(math.min(hour, now), units)
redis.call('SET', KEYS[2], string.format('%.0f', number), 'PX', ttl)
redis.call('PEXPIRE', KEYS[1], ttl)
return { string.format('%.0f', limit - sum), redis.call('HGETALL', KEYS[1]) }
`,
);

/** Counter of a limit per day: the units that all processes have used or leased, by hour of Redis's clock. */
export class DayCounter implements Reservoir {
  readonly #link: RedisLink;
  readonly #keys: readonly [totals: string, member: string];
  readonly #onTotals: (totals: Hours) => void;
  #limit = 0;
  #number = 0;
  #acknowledged = 0;
  #totals: Hours = [];
  /**
   * Commands without a reply: the command's number, the number of the first later command that undoes it, the hour, the
   * units.
   */
  #unanswered: readonly (readonly [number, number, number, number])[] = [];

  /**
   * @param key Key of the totals. Its braces keep it and the process's own key on one node of a Redis Cluster.
   * @param onTotals Called with the totals of each reply, before `take` resolves.
   */
  constructor(link: RedisLink, key: string, member: string, onTotals: (totals: Hours) => void) {
    this.#link = link;
    this.#keys = [key, `${key}:${member}`];
    this.#onTotals = onTotals;
  }

  configure({ maximum }: { readonly maximum: number }): Promise<void> {
    this.#limit = maximum;
    return Promise.resolve();
  }

  async take(units: number, hour: number): Promise<number> {
    const number = ++this.#number;
    const lost = this.#unanswered.map(
      ([own, undoneBy, ...rest]) => [own, Math.min(undoneBy, number), ...rest] as const,
    );
    this.#unanswered = [];
    const args = [this.#limit, KEY_TTL_MS, number, this.#acknowledged, hour, units, lost.length];
    try {
      const [left, flat] = await this.#link.run(
        ({ client }) => runScript(client, ...this.#keys, ...args, ...lost.flat(), ...this.#totals.flat()),
        { key: this.#keys[0] },
      );
      this.#acknowledged = Math.max(this.#acknowledged, number);
      this.#totals = numberPairs(flat);
      this.#onTotals(this.#totals);
      return Number(left);
    } catch (error) {
      const all = [...lost, ...this.#unanswered, [number, Infinity, hour, units] as const];
      this.#unanswered = all.slice(-MAX_UNANSWERED);
      throw error;
    }
  }
}
