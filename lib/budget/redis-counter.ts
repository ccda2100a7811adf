import { numberPairs, redisScript, type SharedStore } from '../util/redis';
import {
  AHEAD_DIVISOR,
  type BudgetCounter,
  type BudgetUpdate,
  MAX_QUIET_MS,
  MEMBER_MS,
  PRUNE_MS,
  QUIET_MS,
  SHORT_MS,
} from './counter';

/**
 * Applies one update of a process, in one step. KEYS[1] contains what all processes have spent, by bucket. KEYS[2]
 * contains for each process the number of its last update (n), its time (a) and bucket (b), its lease (h) and its
 * spending by bucket (s), and for all processes together the sum of the leases (H), the number of processes (m), what
 * was carried over a loss (c), the time of that (q), how many processes there were before the loss (e, or u if that is
 * unknown) and how many have reported since (r). Everything that is granted is counted before, so all processes
 * together stay within the limit, whether Redis is reachable later or not. Numbers are formatted, because Lua would
 * shorten large ones to 1e+15.
 */
const runScript = redisScript<
  [granted: number, held: string, totals: string[], members: number, short: number, lost: number]
>(
  'aiBalancerBudget',
  2,
  `
local all, each, member = KEYS[1], KEYS[2], ARGV[1]
local number, limit, bucket, oldest = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local held, least, need, ahead = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local starved, leaving, ttl = ARGV[10] == '1', ARGV[11] == '1', ARGV[12]
local before, carried = tonumber(ARGV[13]), tonumber(ARGV[14])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function get(field) return tonumber(redis.call('HGET', each, field) or '0') or 0 end
local function set(field, units) redis.call('HSET', each, field, string.format('%.0f', units)) end
local function spend(at, units)
  local total = tonumber(redis.call('HGET', all, at) or '0') or 0
  redis.call('HSET', all, at, string.format('%.0f', total + units))
end
local function drop(id)
  set('H', math.max(0, get('H') - get('h:' .. id)))
  redis.call('HDEL', each, 'n:' .. id, 'a:' .. id, 'b:' .. id, 'h:' .. id)
end

local isEmpty = redis.call('EXISTS', each) == 0
local last = tonumber(redis.call('HGET', each, 'n:' .. member) or '')
local granted, lost = 0, 0
if not last and number > 1 and carried < 0 then
  lost = 1
elseif not last or last < number then
  local from = 15
  if carried >= 0 then
    for i = 1, carried do
      local at, units = ARGV[from], tonumber(ARGV[from + 1])
      local known = get('c:' .. at)
      if tonumber(at) >= oldest and units > known then
        set('c:' .. at, units)
        spend(at, units - known)
      end
      from = from + 2
    end
    if before > 0 or isEmpty then set('q', now) end
    if before > 0 then
      if not last then set('r', get('r') + 1) end
      set('e', math.max(get('e'), before))
    elseif isEmpty then
      set('u', 1)
    end
  end
  for i = from, #ARGV, 2 do
    local field, units = 's:' .. member .. ':' .. ARGV[i], tonumber(ARGV[i + 1])
    local known = get(field)
    if tonumber(ARGV[i]) >= oldest and units > known then
      set(field, units)
      spend(ARGV[i], units - known)
    end
  end
  set('H', math.max(0, get('H') - get('h:' .. member)) + held)
  set('h:' .. member, held)
  set('n:' .. member, number)
  set('a:' .. member, now)
  set('b:' .. member, bucket)
  if not last or now - get('p') >= ${PRUNE_MS} then
    local members, fields = 0, redis.call('HGETALL', each)
    for i = 1, #fields, 2 do
      local kind, rest = string.match(fields[i], '^(%l):(.+)$')
      if kind == 'a' and now - fields[i + 1] < ${MEMBER_MS} then members = members + 1 end
      if kind == 'b' and tonumber(fields[i + 1]) < oldest then drop(rest) end
      if kind == 'c' and tonumber(rest) < oldest then redis.call('HDEL', each, fields[i]) end
      if kind == 's' and tonumber(string.match(rest, '(%d+)$')) < oldest then redis.call('HDEL', each, fields[i]) end
    end
    set('m', members)
    set('p', now)
  end
  local left = limit - get('H')
  local flat = redis.call('HGETALL', all)
  for i = 1, #flat, 2 do
    if tonumber(flat[i]) < oldest then redis.call('HDEL', all, flat[i]) else left = left - flat[i + 1] end
  end
  local members = math.max(1, get('m'))
  local isShort = now < get('x')
  local isMissing = get('r') < get('e') or (get('e') == 0 and get('u') == 1)
  local isQuiet = now < get('q') + (isMissing and ${MAX_QUIET_MS} or ${QUIET_MS})
  if not isQuiet and not leaving and left > 0 then
    if left >= need then
      local most = isShort and 0 or math.floor((left + held) / (${AHEAD_DIVISOR} * members)) - held - need
      granted = need + math.max(0, math.min(ahead, most))
    elseif left >= least then
      granted = left
    end
  end
  if starved or (least > 0 and granted < least) then set('x', now + ${SHORT_MS}) end
  if granted > 0 then
    set('H', get('H') + granted)
    set('h:' .. member, held + granted)
  end
  if leaving then
    drop(member)
    for i = from, #ARGV, 2 do redis.call('HDEL', each, 's:' .. member .. ':' .. ARGV[i]) end
  end
end
redis.call('PEXPIRE', all, ttl)
redis.call('PEXPIRE', each, ttl)
local short = now < get('x') and 1 or 0
return { granted, string.format('%.0f', get('H')), redis.call('HGETALL', all), math.max(1, get('m')), short, lost }
`,
);

/** @param key Key of the budget. Its braces keep both keys of the budget on one node of a Redis Cluster. */
export function redisCounter(
  store: SharedStore,
  key: string,
  ttlMs: number,
  now: () => number | undefined,
): BudgetCounter {
  return {
    get state() {
      return store.state;
    },
    get hasBeenDown() {
      return store.hasBeenDown;
    },
    now: () => now() ?? Date.now(),
    async update(update) {
      const args = argumentsOf(update, ttlMs);
      const reply = await store.run((client) => runScript(client, key, `${key}:members`, ...args));
      const [granted, held, flat, members, short, lost] = reply;
      const spent = numberPairs(flat);
      return { granted, held: Number(held), spent, members, isShort: short === 1, isLost: lost === 1 };
    },
  };
}

function argumentsOf(update: BudgetUpdate, ttlMs: number): (string | number)[] {
  const { member, number, limit, bucket, oldest, held, least, need, ahead, members, carried, spent } = update;
  return [
    ...[member, number, limit, bucket, oldest, held, least, need, ahead],
    ...[update.isStarved ? 1 : 0, update.isLeaving ? 1 : 0, ttlMs, members, carried?.length ?? -1],
    ...(carried ?? []).flat(),
    ...spent.flat(),
  ];
}
