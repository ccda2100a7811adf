import type { Client } from '../redis/redis-client';
import type { RedisLink } from '../redis/redis-link';

/** What a process asks the day's count in Redis, in whole units. */
export interface DayQuestion {
  /** Its number: asked again with the same one it is not done again, and gets the same answer. */
  readonly nth: number;
  /** The count that the changes are meant for, as the last answer said it; undefined before the first. */
  readonly known: DayVersion | undefined;
  readonly limit: number;
  /** What the first that waits needs: less is of no use. */
  readonly least: number;
  /** What all that wait need. */
  readonly need: number;
  /** Wanted beyond that, where there is plenty. */
  readonly extra: number;
  readonly members: number;
  /** Used without asking, or not needed where it is negative, by the hour; hour 0 stands for the present one. */
  readonly changes: readonly (readonly [hour: number, units: number])[];
}

/** Of a count. One that was born at another time, or is older than what was heard, has been lost in between. */
export interface DayVersion {
  readonly born: string;
  readonly changes: number;
}

export interface DayAnswer {
  readonly version: DayVersion;
  /** The present hour on Redis's clock, since 1970. */
  readonly hour: number;
  /** Units that are this process's to use in the hour `grantedIn`. */
  readonly granted: number;
  readonly grantedIn: number;
  /** What all processes have used or hold, by the hour. */
  readonly counts: readonly (readonly [hour: number, units: number])[];
  /** Redis has lost what the question was meant for: nothing was done. */
  readonly isLost: boolean;
}

/** The count of a limit a day that many processes share. Both methods reject while Redis is away. */
export interface DayLedger {
  ask(question: DayQuestion): Promise<DayAnswer>;
  /** Redis has lost what was known of the count: it becomes at least this. */
  restore(known: DayVersion | undefined, counts: DayAnswer['counts']): Promise<DayAnswer>;
  /** Milliseconds of Redis's clock; undefined until it has been heard. */
  now(): number | undefined;
}

/** The count leaves Redis when nobody has used it for so long. */
const KEYS_LIVE_MS = 26 * 3_600_000;
/** A question may be asked again for so long. */
const ANSWERS_LIVE_MS = 3_600_000;
/** All hear of it when another such part of the limit is gone. */
const STEPS = 50;
const COMMAND = 'aiBalancerDay';

/**
 * One step: changes, a claim, and the whole count. The claim is counted before it is used, so that all processes
 * together never use more than the limit. Who has lost an answer asks again under the same number, and finds it written
 * down. Numbers are written out: Lua would shorten a large one.
 */
const DAY = `
local hash, done = KEYS[1], KEYS[2]
local kind, nth, born_then, version_then = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local limit, least, need = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local extra, members = tonumber(ARGV[8]), tonumber(ARGV[9])
local time = redis.call('TIME')
local now = math.floor(time[1] / 3600)
local born = redis.call('HGET', hash, 'born')
if not born then
  born = time[1] .. '.' .. time[2]
  redis.call('HSET', hash, 'born', born)
end
redis.call('PEXPIRE', hash, ARGV[10])
local version = tonumber(redis.call('HGET', hash, 'version') or '0')
local is_known = born_then == '' or (born_then == born and version >= version_then)
if kind == 'ask' and not is_known then return { born, version, now, -1, now, {} } end

local counts, sum = {}, 0
local all = redis.call('HGETALL', hash)
for i = 1, #all, 2 do
  local hour = tonumber(all[i])
  if hour and hour < now - 24 then
    redis.call('HDEL', hash, all[i])
  elseif hour then
    counts[hour] = tonumber(all[i + 1])
    sum = sum + counts[hour]
  end
end
local before, has_changed = sum, false
local function add(hour, units)
  local count = counts[hour] or 0
  if units < -count then units = -count end
  if units == 0 then return end
  counts[hour] = count + units
  sum = sum + units
  has_changed = true
  redis.call('HINCRBY', hash, string.format('%.0f', hour), string.format('%.0f', units))
end

local granted, granted_in = 0, now
local answered = nth ~= '' and redis.call('GET', done)
local same, before_granted, before_in = string.match(answered or '', '^(%d+):(%d+):(%d+)$')
if same and same == nth then
  granted, granted_in = tonumber(before_granted), tonumber(before_in)
else
  for i = 14, #ARGV, 2 do
    local hour, units = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    if hour == 0 or hour > now then hour = now end
    if kind == 'restore' then units = math.max(0, units - (counts[hour] or 0)) end
    if hour >= now - 24 then add(hour, units) end
  end
  local left = limit - sum
  if need + extra > 0 then
    if left >= need then
      granted = need + math.max(0, math.min(extra, math.floor((left - need) / (2 * members))))
    elseif left >= least then
      granted = left
    end
    add(now, granted)
  end
  if nth ~= '' and (has_changed or granted > 0) then
    local answer = string.format('%s:%.0f:%.0f', nth, granted, now)
    redis.call('SET', done, answer, 'PX', ARGV[11])
  end
end
if kind == 'restore' and born_then == born then version = math.max(version, version_then) end
if has_changed or kind == 'restore' then
  version = version + 1
  redis.call('HSET', hash, 'version', string.format('%.0f', version))
end
local step = math.max(1, limit / ${STEPS})
if kind == 'ask' and math.floor(before / step) ~= math.floor(sum / step) then
  redis.call('PUBLISH', ARGV[12], string.format('%s %.0f %.0f', ARGV[13], now, sum))
end
local flat = {}
for hour, count in pairs(counts) do
  flat[#flat + 1] = string.format('%.0f', hour)
  flat[#flat + 1] = string.format('%.0f', count)
end
return { born, version, now, granted, granted_in, flat }
`;

type DayCommand = (
  hash: string,
  done: string,
  ...args: (string | number)[]
) => Promise<
  [born: string, version: number, hour: number, granted: number, grantedIn: number, flat: string[]]
>;

export interface DayKeys {
  /** Of the count. With what stands behind it, it lies on one node of a Redis Cluster. */
  readonly count: string;
  /** On which is told which count has changed much: `<count> <hour> <sum>`. */
  readonly channel: string;
  /** Of this process. */
  readonly member: string;
}

export function redisDayLedger(link: RedisLink, { count, channel, member }: DayKeys): DayLedger {
  let isFirst = true;
  const run = async (kind: 'ask' | 'restore', question: Partial<DayQuestion>): Promise<DayAnswer> => {
    const {
      nth = '',
      known,
      limit = 0,
      least = 0,
      need = 0,
      extra = 0,
      members = 1,
      changes = [],
    } = question;
    const { born: bornThen = '', changes: versionThen = 0 } = known ?? {};
    const terms = [kind, nth, bornThen, versionThen, limit, least, need, extra, members];
    const lives = [KEYS_LIVE_MS, ANSWERS_LIVE_MS];
    const [born, version, hour, granted, grantedIn, flat] = await link.run(
      ({ client }) =>
        commandOf(client)(count, `${count}:${member}`, ...terms, ...lives, channel, count, ...changes.flat()),
      isFirst,
    );
    isFirst = false;
    const counts = flat.flatMap((text, at) =>
      at % 2 === 0 ? [[Number(text), Number(flat[at + 1])] as const] : [],
    );
    return {
      version: { born, changes: version },
      hour,
      granted: Math.max(0, granted),
      grantedIn,
      counts,
      isLost: granted < 0,
    };
  };
  return {
    ask: (question) => run('ask', question),
    restore: (known, counts) => run('restore', { known, changes: counts }),
    now: () => link.now(),
  };
}

function commandOf(client: Client): DayCommand {
  const commands = client as unknown as Record<typeof COMMAND, DayCommand | undefined>;
  if (!commands[COMMAND]) client.defineCommand(COMMAND, { numberOfKeys: 2, lua: DAY });
  const command = commands[COMMAND];
  if (!command) throw new TypeError('the client takes no commands');
  return command.bind(client);
}
