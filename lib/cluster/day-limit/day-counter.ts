import type { Client } from '../redis/redis-client';
import { isWrongType, type RedisLink } from '../redis/redis-link';

/** Tells whether Redis has lost a counter, or part of it, since a reply. */
export interface DayVersion {
  /** When the counter was created. */
  readonly born: string;
  readonly changes: number;
}

/** One hour, as a process reports it. Hours count from 1970 on Redis's clock; units are whole. */
export interface HourReport {
  readonly hour: number;
  /** Units that this process has used or keeps; replaces what it has reported before. */
  readonly used: number;
  /** The `used` of the last reply, with what was granted. */
  readonly confirmed: number;
  /** The total of the last reply. */
  readonly total: number;
}

export interface DayRequest {
  /** The version of the last reply; undefined in the first request, which reports and claims nothing. */
  readonly known: DayVersion | undefined;
  readonly limit: number;
  /** Units that the first waiting call needs: fewer are of no use. */
  readonly least: number;
  /** Units that all waiting calls need. */
  readonly need: number;
  /** Units to claim ahead, if there is plenty. */
  readonly ahead: number;
  readonly members: number;
  /** Every hour of the last 24 in which this process has used something. */
  readonly hours: readonly HourReport[];
}

export interface DayReply {
  readonly version: DayVersion;
  /** The current hour, in which `granted` may be used. */
  readonly hour: number;
  readonly granted: number;
  /** What all processes have used or keep. */
  readonly totals: readonly (readonly [hour: number, units: number])[];
}

/** The counter of a day limit that many processes share. */
export interface DayCounter {
  /** Rejects if Redis is unreachable. A lost reply does no harm: the next request replaces what this one reported. */
  update(request: DayRequest): Promise<DayReply>;
  /** Milliseconds on Redis's clock; undefined until Redis has answered. */
  now(): number | undefined;
}

/** An hour counts for up to 25 hours. */
const KEY_TTL_MS = 26 * 3_600_000;
/** The total is published each time it crosses another 1/50 of the limit. */
const PUBLISHED_STEPS = 50;
const COMMAND = 'aiBalancerDayLimit';

/**
 * Replaces what the process has reported, grants a claim and returns the totals, in one step. KEYS[1] has the totals by
 * hour, KEYS[2] this process's part of them. A claim is counted before it is used, so all processes together stay within
 * the limit. Where Redis has lost the counter, or has restored an older one, each process brings back the totals that it
 * knew. Numbers are formatted, because Lua would shorten large ones to 1e+15.
 */
const SCRIPT = `
local known_born, known_version = ARGV[2], tonumber(ARGV[3])
local limit, least, need = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local ahead, members, ttl = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local time = redis.call('TIME')
local now = math.floor(time[1] / 3600)
local born = redis.call('HGET', KEYS[1], 'born')
if not born then
  born = time[1] .. '.' .. time[2]
  redis.call('HSET', KEYS[1], 'born', born)
end
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local is_lost = known_born ~= '' and (known_born ~= born or version < known_version)

local function read(key)
  local counts, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local hour = tonumber(flat[i])
    if hour and hour < now - 24 then redis.call('HDEL', key, flat[i])
    elseif hour then counts[hour] = tonumber(flat[i + 1]) end
  end
  return counts
end
local function write(key, hour, units)
  redis.call('HSET', key, string.format('%.0f', hour), string.format('%.0f', units))
end
local totals, own, sum, has_changed = read(KEYS[1]), read(KEYS[2]), 0, is_lost
for _, units in pairs(totals) do sum = sum + units end
local sum_before = sum
local function add(hour, units)
  local total = totals[hour] or 0
  units = math.max(units, -total)
  if units == 0 then return end
  totals[hour], sum, has_changed = total + units, sum + units, true
  write(KEYS[1], hour, total + units)
end

local reported = {}
for i = 10, #ARGV, 4 do
  local hour, used = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  if hour >= now - 24 then
    if is_lost then
      add(hour, math.max(0, tonumber(ARGV[i + 3]) - (totals[hour] or 0)))
      own[hour] = tonumber(ARGV[i + 2])
    end
    reported[hour] = used
  end
end
for hour, units in pairs(own) do add(hour, (reported[hour] or 0) - units) end
for hour, units in pairs(reported) do if not own[hour] then add(hour, units) end end
local granted, left = 0, limit - sum
if left >= need then
  granted = need + math.max(0, math.min(ahead, math.floor((left - need) / (2 * members))))
elseif left >= least then
  granted = left
end
if granted > 0 then
  add(now, granted)
  reported[now] = (reported[now] or 0) + granted
end

redis.call('DEL', KEYS[2])
for hour, units in pairs(reported) do write(KEYS[2], hour, units) end
if has_changed then
  version = math.max(version, known_born == born and known_version or 0) + 1
  redis.call('HSET', KEYS[1], 'version', string.format('%.0f', version))
end
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('PEXPIRE', KEYS[2], ttl)
local step = math.max(1, limit / ${PUBLISHED_STEPS})
if math.floor(sum_before / step) ~= math.floor(sum / step) then
  redis.call('PUBLISH', ARGV[1], string.format('%s %.0f %.0f', KEYS[1], now, sum))
end
local flat = {}
for hour, units in pairs(totals) do
  flat[#flat + 1] = string.format('%.0f', hour)
  flat[#flat + 1] = string.format('%.0f', units)
end
return { born, version, now, granted, flat }
`;

type Command = (
  ...args: (string | number)[]
) => Promise<[born: string, version: number, hour: number, granted: number, flat: string[]]>;

export interface DayCounterParts {
  /** Its braces keep it, and the process's part, on one node of a Redis Cluster. */
  readonly totals: string;
  /** Where changed totals are published, as `<totals> <hour> <sum>`. */
  readonly channel: string;
  /** Names this process's part. */
  readonly member: string;
  /** A key has a wrong type. */
  readonly onFault: () => void;
}

export function redisDayCounter(link: RedisLink, parts: DayCounterParts): DayCounter {
  const { totals, channel, member, onFault } = parts;
  let isFirst = true;
  return {
    now: () => link.now(),
    async update({ known, limit, least, need, ahead, members, hours }) {
      const args = [
        ...[channel, known?.born ?? '', known?.changes ?? 0],
        ...[limit, least, need, ahead, members, KEY_TTL_MS],
        ...hours.flatMap(({ hour, used, confirmed, total }) => [hour, used, confirmed, total]),
      ];
      const reply = link.run(
        ({ client }) => commandOf(client)(totals, `${totals}:${member}`, ...args),
        isFirst,
      );
      const [born, changes, hour, granted, flat] = await reply.catch((error: unknown) => {
        if (isWrongType(error)) onFault();
        throw error;
      });
      isFirst = false;
      const pairs = flat.flatMap((text, at) =>
        at % 2 === 0 ? [[Number(text), Number(flat[at + 1])] as const] : [],
      );
      return { version: { born, changes }, hour, granted, totals: pairs };
    },
  };
}

function commandOf(client: Client): Command {
  const commands = client as unknown as Record<typeof COMMAND, Command | undefined>;
  if (!commands[COMMAND]) client.defineCommand(COMMAND, { numberOfKeys: 2, lua: SCRIPT });
  return (commands[COMMAND] as Command).bind(client);
}
