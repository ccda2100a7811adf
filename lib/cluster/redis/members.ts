import { type Client, redisScript } from '../../util/redis';
import type { RedisClock } from './redis-clock';

/** A process that has sent no heartbeat for this long counts as gone, in milliseconds. */
export const MEMBER_TIMEOUT_MS = 10_000;
const KEY_TTL_MS = 60_000;

/**
 * A heartbeat of one process, with the process's state if that has changed. `version` counts changes of states, so that
 * the processes read the states only after a change. Numbers are formatted, because Lua would shorten them to 1.7e+12.
 */
const runScript = redisScript<
  [seconds: string, micros: string, count: number, version: string | null, isKnown: number]
>(
  'aiBalancerHeartbeat',
  2,
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[2]))
local changed = #gone > 0
for _, id in ipairs(gone) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
if ARGV[4] == 'leave' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  changed = redis.call('HDEL', KEYS[2], ARGV[1]) == 1 or changed
else
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
  if ARGV[3] ~= '' then
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
    changed = true
  end
end
if changed then redis.call('HINCRBY', KEYS[2], 'version', 1) end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local is_known = redis.call('HEXISTS', KEYS[2], ARGV[1])
return { time[1], time[2], redis.call('ZCARD', KEYS[1]), redis.call('HGET', KEYS[2], 'version'), is_known }
`,
);

export interface HeartbeatReply {
  /** The number of processes, including this one. */
  readonly count: number;
  /** The states of all processes; undefined if none has changed. */
  readonly states?: readonly string[];
  /** Whether Redis has lost this process's state, and probably those of its peers, since the last heartbeat. */
  readonly wasLost: boolean;
}

/** The processes of a cluster, and a state that each of them publishes to the others. */
export class Members {
  readonly #client: Client;
  readonly #keys: readonly [members: string, states: string];
  readonly #id: string;
  readonly #clock: RedisClock;
  #version: string | undefined;
  /** The state of this process that is stored in Redis. */
  #publishedState: string | undefined;

  constructor(client: Client, clock: RedisClock, prefix: string, id: string) {
    this.#client = client;
    this.#clock = clock;
    this.#keys = [`${prefix}:{members}`, `${prefix}:{members}:states`];
    this.#id = id;
  }

  /** @param state The state of this process; not empty. It is sent only if it has changed or Redis has lost it. */
  async heartbeat(state: string, wasLost = false): Promise<HeartbeatReply> {
    const sentAt = performance.now();
    const hasChanged = state !== this.#publishedState;
    const [seconds, micros, count, version, isKnown] = await this.#run(hasChanged ? state : '', 'stay');
    this.#publishedState = isKnown === 1 ? state : undefined;
    if (isKnown !== 1) return this.heartbeat(state, true);
    this.#clock.sample(Number(seconds) * 1_000 + Number(micros) / 1_000, sentAt, performance.now());
    if (version === this.#version) return { count, wasLost };
    const { version: _, ...states } = await this.#client.hgetall(this.#keys[1]);
    this.#version = version ?? undefined;
    return { count, states: Object.values(states), wasLost };
  }

  async leave(): Promise<void> {
    await this.#run('', 'leave');
  }

  #run(state: string, action: 'stay' | 'leave'): ReturnType<typeof runScript> {
    return runScript(this.#client, ...this.#keys, this.#id, MEMBER_TIMEOUT_MS, state, action, KEY_TTL_MS);
  }
}
