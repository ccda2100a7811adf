import { redisScript } from '../redis/redis-client';
import { isWrongType, type RedisLink } from '../redis/redis-link';

/** Hours count from 1970 on Redis's clock. Units are whole. */
export interface DayRequest {
  /** Counts the requests of a process from 1. One that is sent again, because its reply was lost, is counted once. */
  readonly number: number;
  readonly limit: number;
  /** Units that the first waiting call needs: fewer are of no use. */
  readonly least: number;
  /** Units that all waiting calls need. */
  readonly need: number;
  /** Units to claim ahead, if there is plenty. */
  readonly ahead: number;
  readonly members: number;
  /** What this process has used or given back since the last reply, and the total of that reply, in case Redis has lost it. */
  readonly hours: readonly (readonly [hour: number, change: number, total: number])[];
}

export interface DayReply {
  /** The hour in which `granted` may be used. */
  readonly hour: number;
  readonly granted: number;
  /** What all processes have used or keep. */
  readonly totals: readonly (readonly [hour: number, units: number])[];
}

/** The counter of a day limit that many processes share. */
export interface DayCounter {
  /** Rejects if Redis is unreachable. Then the same request must be sent again before another. */
  update(request: DayRequest): Promise<DayReply>;
  /** Milliseconds on Redis's clock; undefined until Redis has answered. */
  now(): number | undefined;
}

/** An hour counts for up to 25 hours. */
const KEY_TTL_MS = 26 * 3_600_000;
/** The total is published each time it crosses another 1/50 of the limit. */
const PUBLISHED_STEPS = 50;

/**
 * Counts what the process reports, grants a claim and returns the totals, in one step. KEYS[1] has the totals by hour,
 * KEYS[2] the process's last request and what it was granted. A claim is counted before it is used, so all processes
 * together stay within the limit. Where Redis has lost the counter, or has restored an older one, each process brings back
 * the totals that it knew. Numbers are formatted, because Lua would shorten large ones to 1e+15.
 */
const runScript = redisScript<[hour: number, granted: number, totals: string[]]>(
  'aiBalancerDayLimit',
  2,
  `
local number, limit, least, need = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local ahead, members, ttl = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local now = math.floor(redis.call('TIME')[1] / 3600)
local totals, sum, flat = {}, 0, redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  local hour = tonumber(flat[i]) or 0
  if hour < now - 24 then
    redis.call('HDEL', KEYS[1], flat[i])
  else
    totals[hour] = tonumber(flat[i + 1])
    sum = sum + totals[hour]
  end
end
local sum_before = sum
local function add(hour, units)
  local total = totals[hour] or 0
  units = math.max(units, -total)
  if units == 0 or hour < now - 24 then return end
  totals[hour], sum = total + units, sum + units
  redis.call('HSET', KEYS[1], string.format('%.0f', hour), string.format('%.0f', totals[hour]))
end

local last, hour, granted = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (%d+) (%d+)$')
last, hour, granted = tonumber(last), tonumber(hour) or now, tonumber(granted) or 0
if last ~= number then
  local is_lost = number > 1 and (last ~= number - 1 or #flat == 0)
  for i = 9, #ARGV, 3 do
    local at = math.min(now, tonumber(ARGV[i]))
    if is_lost then add(at, math.max(0, tonumber(ARGV[i + 2]) - (totals[at] or 0))) end
    add(at, tonumber(ARGV[i + 1]))
  end
  local left = limit - sum
  hour, granted = now, 0
  if left >= need then
    granted = need + math.max(0, math.min(ahead, math.floor((left - need) / (2 * members))))
  elseif left >= least then
    granted = left
  end
  add(now, granted)
  redis.call('SET', KEYS[2], string.format('%.0f %.0f %.0f', number, now, granted))
end
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('PEXPIRE', KEYS[2], ttl)
local step = math.max(1, limit / ${PUBLISHED_STEPS})
if math.floor(sum_before / step) ~= math.floor(sum / step) then
  redis.call('PUBLISH', ARGV[1], string.format('%s %.0f %.0f', KEYS[1], now, sum))
end
return { hour, granted, redis.call('HGETALL', KEYS[1]) }
`,
);

export interface DayCounterParts {
  /** Its braces keep it, and the process's own key, on one node of a Redis Cluster. */
  readonly totals: string;
  /** Where changed totals are published, as `<totals> <hour> <sum>`. */
  readonly channel: string;
  readonly member: string;
  /** A key has a wrong type. */
  readonly onFault: () => void;
}

export function redisDayCounter(link: RedisLink, parts: DayCounterParts): DayCounter {
  const { totals, channel, member, onFault } = parts;
  return {
    now: () => link.now(),
    async update({ number, limit, least, need, ahead, members, hours }) {
      const args = [channel, number, limit, least, need, ahead, members, KEY_TTL_MS, ...hours.flat()];
      const reply = link.run(({ client }) => runScript(client, totals, `${totals}:${member}`, ...args));
      const [hour, granted, flat] = await reply.catch((error: unknown) => {
        if (isWrongType(error)) onFault();
        throw error;
      });
      const pairs = flat.flatMap((text, at) =>
        at % 2 === 0 ? [[Number(text), Number(flat[at + 1])] as const] : [],
      );
      return { hour, granted, totals: pairs };
    },
  };
}
